"""Means to make the embedded servers misbehave: a function that deals with requests in their place."""

import socket
import struct

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, with RST


def intercept(server, function):
    """Have a function see every exchange before the server; where it returns True, the server leaves it alone."""
    respond = type(server).respond
    server.respond = lambda exchange: bool(function(exchange)) or respond(server, exchange)


def cut(exchange, *, reset=False):
    """End the connection once the request is dealt with, with FIN, or with RST."""
    if reset:
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    else:
        exchange.connection.shutdown(socket.SHUT_RDWR)
    exchange.open = False


def hold(exchange, released):
    """Wait until the event is set, or the server stops."""
    while not exchange.server.stopping.is_set():
        if released.wait(0.02):
            return
