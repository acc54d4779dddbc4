# Each side ends its half by itself: halves.py serve|ask, with bytes from `sent` to `got`.
import socket, sys


def receive(connection):
    with open("got", "wb") as file:
        while data := connection.recv(65536):
            file.write(data)


def send(connection):
    with open("sent", "rb") as file:
        connection.sendfile(file)
    connection.shutdown(socket.SHUT_WR)


if sys.argv[1] == "serve":
    connection, _ = socket.create_server(("0.0.0.0", 9000)).accept()
    send(connection)
    receive(connection)
    print("has all", flush=True)
else:
    connection = socket.create_connection(("10.9.0.2", 9000))
    # Nothing is sent before the server has ended its half.
    receive(connection)
    send(connection)
    assert connection.recv(1) == b""
