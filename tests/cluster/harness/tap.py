#!/usr/bin/env python3
"""Taps the wire: tap.py ADDRESS ADDRESS…

Reads what TCP carries between these addresses on all interfaces of this network namespace, says "listening" once nothing
is missed any more, and prints all of it as JSON when its standard input ends.
"""

import json
import os
import select
import socket
import struct
import sys

ETH_P_ALL = 3
ETH_P_IP = 0x0800
SO_RCVBUFFORCE = 33
# Of each direction of a connection.
MOST_BYTES = 4 << 20


def segment(packet, addresses):
    """The direction of a TCP segment, its number and what it carries; None for what is not asked for."""
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
        return None
    source, target = (socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16))
    if source not in addresses or target not in addresses:
        return None
    (length,) = struct.unpack_from(">H", packet, 2)
    start = (packet[0] & 15) * 4
    source_port, target_port, number = struct.unpack_from(">HHI", packet, start)
    data = packet[start + (packet[start + 12] >> 4) * 4 : length]
    if not data:
        return None
    return (source, source_port, target, target_port), number, data


def joined(segments):
    """The bytes of one direction, from the first that was seen."""
    text = bytearray()
    first = next(iter(segments))
    # Numbers begin again at 2^32.
    ordered = sorted(((number - first + (1 << 31)) % (1 << 32), data) for number, data in segments.items())
    for number, data in ordered:
        at = number - ordered[0][0]
        if at > len(text):
            sys.exit(f"tap.py: {at - len(text)} bytes were missed")
        if at + len(data) > len(text):
            text[at:] = data
        if len(text) > MOST_BYTES:
            sys.exit(f"tap.py: more than {MOST_BYTES} bytes went one way")
    return bytes(text)


def described(source, source_port, target, target_port, data):
    return {"from": f"{source}:{source_port}", "to": f"{target}:{target_port}", "bytes": data.hex()}


def main(addresses):
    # Without the link's own header.
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    print("listening", flush=True)
    flows = {}
    ending = False
    while True:
        ready, _, _ = select.select([tap] if ending else [tap, 0], [], [], 0.2 if ending else None)
        if tap in ready:
            packet, where = tap.recvfrom(1 << 17)
            found = segment(packet, addresses) if where[1] == ETH_P_IP else None
            if found:
                way, number, data = found
                segments = flows.setdefault(way, {})
                # It is seen on each interface that it passes.
                if len(data) > len(segments.get(number, b"")):
                    segments[number] = data
        elif 0 in ready:
            ending = not os.read(0, 1024)
        elif ending:
            break
    print(json.dumps([described(*way, joined(segments)) for way, segments in flows.items()]))


main(set(sys.argv[1:]))
