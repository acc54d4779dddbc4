# Python's own clients: python-client.py TEST
import hashlib, http.client, sys, urllib.error, urllib.request

HOST = "10.9.0.2"
BASE = f"http://{HOST}"


def status(url, **request):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **request), timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# http.server's files: at 8000 in HTTP/1.0, whose bodies end with the connection, at 8001 in HTTP/1.1.
def files():
    with open("expected", "rb") as file:
        expected = file.read()
    for port in 8000, 8001:
        base = f"{BASE}:{port}"
        assert status(f"{base}/numbers") == (200, expected)
        code, listing = status(f"{base}/")
        assert code == 200 and b'href="numbers"' in listing, listing
        assert status(f"{base}/numbers", method="HEAD") == (200, b"")
        assert status(f"{base}/absent")[0] == 404
        assert status(f"{base}/numbers", data=b"a form")[0] == 501


# A body whose length is not known goes to node in chunks, by a connection that is kept.
def chunks():
    connection = http.client.HTTPConnection(HOST, 8080, timeout=30)
    pieces = [bytes([number]) * (number * 7) for number in range(1, 256)]
    for _ in range(10):
        connection.request("POST", "/echo", iter(pieces))
        response = connection.getresponse()
        assert response.status == 200
        assert response.read() == b"".join(pieces)
    connection.close()


globals()[sys.argv[1]]()
