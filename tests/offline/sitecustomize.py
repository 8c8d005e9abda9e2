"""Refuses every connection that leaves this machine; Python runs it at start, in children too.

tests/conftest.py runs it in pytest itself and puts this folder on ``PYTHONPATH``. What was refused
is also written to the file that ``REFUSED`` names, for the code that passes over the error.
"""

import ipaddress
import os
import sys

REFUSED = "QA_TESTS_REFUSED"
TO_ADDRESS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
TO_NAME = {"socket.getaddrinfo", "socket.gethostbyname"}


def refuse(event, arguments):
    if event in TO_ADDRESS:
        address = arguments[1]
        # A str or bytes is the path of a socket file; None is a socket that is connected already.
        if isinstance(address, tuple) and isinstance(address[0], str) and leaves(address[0]):
            stop(event, address[0])
    elif event in TO_NAME and is_foreign_name(arguments[0]):
        stop(event, arguments[0])


def leaves(host):
    """Whether a connection to a host leaves this machine."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host not in ("", "localhost")
    return not (address.is_loopback or address.is_unspecified)


def is_foreign_name(host):
    """Whether a name must be looked up; an address need not be."""
    name = host.decode() if isinstance(host, bytes) else host or ""
    return leaves(name) and not name.replace(".", "").isdigit() and ":" not in name


def stop(event, host):
    if file := os.environ.get(REFUSED):
        with open(file, "a", encoding="utf-8") as log:
            log.write(f"{event} {host}\n")
    raise RuntimeError(f"{event} {host}: the tests reach nothing outside this machine")


sys.addaudithook(refuse)
