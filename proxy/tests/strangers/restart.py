# One connection: requests before and after the server's restart.
import http.client, os, sys, time

connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=30)
connection.connect()
socket = connection.sock


def ask(method, path, body=None):
    connection.request(method, path, body)
    response = connection.getresponse()
    response.read()
    print(method, response.status, flush=True)
    assert connection.sock is socket, "the connection was closed"


ask("GET", "/words.txt")
while not os.path.exists("go-on"):
    time.sleep(0.02)
ask("PUT", "/again", b"body")
ask("GET", "/again")
ask("DELETE", "/again")
print("done", flush=True)
