"""The cluster file: a few lines in which a person describes a shelf of Pis before their first start."""

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from picluster.errors import InputError
from picluster.schema.record import Record

BY_DHCP = "dhcp"
"""The word for an address that the network's router gives."""
_HOST_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # RFC 1123, one label, no number
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_INTERFACE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_TAKEN = {"all", "ungrouped", "picluster", "localhost"}
"""Names with another meaning for Ansible or the node."""
_SHORTEST_PREFIX, _LONGEST_PREFIX = 8, 30
_LONGEST_WIFI_NAME = 32
WIFI_PASSWORD_LENGTHS = range(8, 64)


def read_address(what: str, address: str) -> IPv4Address:
    """Parse an address; InputError, which calls it `what`, where it is none."""
    try:
        return IPv4Address(address)
    except ValueError:
        raise InputError(f"{what} is {address!r}, and no IPv4 address", fix="such as 192.168.1.101") from None


class NodeNetwork(Record, frozen=True, kw_only=True):
    """The network that the nodes are in; left out where all of them get their address by DHCP."""

    prefix: int
    """Bits of an address that are the network's: 24 for 255.255.255.0."""
    gateway: str
    """The router's address."""
    dns: tuple[str, ...] = ()
    """Name servers; the router where none is given."""
    interface: str | None = None
    """Interface of the nodes; by default their first cable, or wlan0 with Wi-Fi."""

    def __post_init__(self) -> None:
        if not _SHORTEST_PREFIX <= self.prefix <= _LONGEST_PREFIX:
            raise InputError(f"prefix is {self.prefix}", fix=f"{_SHORTEST_PREFIX} to {_LONGEST_PREFIX}; mostly 24")
        read_address("gateway", self.gateway)
        for server in self.dns:
            read_address("a server in dns", server)
        if self.interface is not None and not _INTERFACE.fullmatch(self.interface):
            what = f"interface is {self.interface!r}, and no name of one"
            raise InputError(what, fix="such as eth0, or leave it out")

    @property
    def network(self) -> IPv4Network:
        """Range of its addresses."""
        return IPv4Interface(f"{self.gateway}/{self.prefix}").network

    def check(self, name: str, address: IPv4Address) -> None:
        """InputError where a node of this network cannot have that address."""
        if address not in self.network:
            raise InputError(f"{name} has {address}, which is not in the network {self.network} of the gateway")
        if address == IPv4Address(self.gateway):
            raise InputError(f"{name} has {address}, which is the gateway's")
        if address in (self.network.network_address, self.network.broadcast_address):
            raise InputError(f"{name} has {address}, which stands for the whole network {self.network}")


class Wifi(Record, frozen=True, kw_only=True):
    """The Wi-Fi that the nodes join, in the place of a cable."""

    name: str
    """Name that the access point sends out (its SSID)."""
    password: str | None = None
    """Password in clear, as the access point has it; None where it is given elsewhere."""
    country: str
    """Two capital letters; without them a Pi's Wi-Fi stays off, as the channels that are allowed are unknown."""

    def __post_init__(self) -> None:
        if not 0 < len(self.name.encode()) <= _LONGEST_WIFI_NAME:
            raise InputError(f"the Wi-Fi's name is {self.name!r}", fix=f"1 to {_LONGEST_WIFI_NAME} bytes")
        if self.password is not None and len(self.password.encode()) not in WIFI_PASSWORD_LENGTHS:
            raise InputError("the Wi-Fi's password is too short or too long", fix="8 to 63 bytes")
        if not re.fullmatch(r"[A-Z]{2}", self.country):
            raise InputError(f"the Wi-Fi's country is {self.country!r}", fix="two capital letters, such as GB")


class ClusterFile(Record, frozen=True, kw_only=True):
    """User, SSH key, network and nodes of a shelf of Pis."""

    user: str
    """The account that is made on the nodes."""
    key: str
    """File of the SSH public key that opens it."""
    nodes: dict[str, str]
    """Address, or `dhcp`, by host name."""
    network: NodeNetwork | None = None
    """Network of nodes with addresses of their own; not needed by DHCP."""
    wifi: Wifi | None = None
    """Wi-Fi that the nodes join; left out with cables."""

    def __post_init__(self) -> None:
        if not _USER_NAME.fullmatch(self.user) or self.user == "root":
            raise InputError(f"user is {self.user!r}", fix="an ordinary user's name in small letters, such as pi")
        if not self.nodes:
            raise InputError("it names no node", fix="such as pi1: 192.168.1.101 below nodes:")
        self._check_names()
        self._check_addresses()

    def address(self, name: str) -> IPv4Address | None:
        """Address of a node; None by DHCP."""
        given = self.nodes[name]
        return None if given == BY_DHCP else read_address(name, given)

    def _check_names(self) -> None:
        seen: dict[str, str] = {}
        for name in self.nodes:
            if not _HOST_NAME.fullmatch(name) or name.lower() in _TAKEN:
                fix = "letters, digits and hyphens, 63 at most, such as pi1"
                raise InputError(f"{name!r} cannot be the name of a node", fix=fix)
            if other := seen.get(name.lower()):
                raise InputError(f"{other} and {name} are the same name to the network")
            seen[name.lower()] = name

    def _check_addresses(self) -> None:
        seen: dict[IPv4Address, str] = {}
        for name in self.nodes:
            address = self.address(name)
            if address is None:
                continue
            if self.network is None:
                fix = "add network: with prefix and gateway, or say dhcp"
                raise InputError(f"{name} has an address of its own, but there is no network:", fix=fix)
            self.network.check(name, address)
            if other := seen.get(address):
                raise InputError(f"{other} and {name} have the same address {address}")
            seen[address] = name
