"""Other provenance tools, run on the same pairs as this one."""

from bench.peers.cisco import CISCO
from bench.peers.modeldna import MODELDNA
from bench.peers.peer import Peer

PEERS: tuple[Peer, ...] = (MODELDNA, CISCO)
