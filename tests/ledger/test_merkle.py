"""The Merkle tree against vectors of RFC 6962's reference implementation, and against itself."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterstone.ledger import merkle
from meterstone.ledger.merkle import Frontier, leaf_hash

# The eight entries that Certificate Transparency's own tests use, and the roots of the trees of the
# first one, two, … of them.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def hashes(most: int = 40) -> st.SearchStrategy[list[bytes]]:
    return st.integers(0, most).map(lambda n: [leaf_hash(str(i).encode()) for i in range(n)])


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert merkle.root([]) == Frontier().root == sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_proofs_are_those_of_the_rfc() -> None:
    """Section 2.1.3 draws a tree of seven leaves a to j and names these proofs."""
    d = LEAVES[:7]
    a, b, c, dd, e, f, j = d
    g, h, i = merkle.node_hash(a, b), merkle.node_hash(c, dd), merkle.node_hash(e, f)
    k, l_ = merkle.node_hash(g, h), merkle.node_hash(i, j)
    assert merkle.inclusion_proof(d, 0) == [b, h, l_]
    assert merkle.inclusion_proof(d, 3) == [c, g, l_]
    assert merkle.inclusion_proof(d, 4) == [f, j, k]
    assert merkle.inclusion_proof(d, 6) == [i, k]
    assert merkle.consistency_proof(d, 3) == [c, dd, g, l_]
    assert merkle.consistency_proof(d, 4) == [l_]
    assert merkle.consistency_proof(d, 6) == [i, j, k]


@given(hashes())
def test_appending_gives_the_root_of_all(leaves: list[bytes]) -> None:
    tree = Frontier()
    for leaf in leaves:
        tree = Frontier.from_bytes(tree.size, tree.to_bytes()).append(leaf)
    assert (tree.size, tree.root) == (len(leaves), merkle.root(leaves))


@given(leaves=hashes(), data=st.data())
def test_every_leaf_is_proven_and_no_other(leaves: list[bytes], data: st.DataObject) -> None:
    if not leaves:
        return
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, proof = merkle.root(leaves), merkle.inclusion_proof(leaves, index)
    assert merkle.verify_inclusion(leaves[index], index, len(leaves), proof, root)
    assert not merkle.verify_inclusion(leaf_hash(b"x"), index, len(leaves), proof, root)
    assert not merkle.verify_inclusion(leaves[index], index, len(leaves), [*proof, root], root)
    assert not merkle.verify_inclusion(leaves[index], index, len(leaves), proof, leaf_hash(b"x"))
    if proof:
        assert not merkle.verify_inclusion(leaves[index], index, len(leaves), proof[:-1], root)
    other = data.draw(st.integers(-1, len(leaves)))
    if other != index:
        assert not merkle.verify_inclusion(leaves[index], other, len(leaves), proof, root)


@given(leaves=hashes(), data=st.data())
def test_every_earlier_tree_is_proven_and_no_other(
    leaves: list[bytes], data: st.DataObject
) -> None:
    if not leaves:
        return
    first = data.draw(st.integers(1, len(leaves)))
    old, new = merkle.root(leaves[:first]), merkle.root(leaves)
    proof, size = merkle.consistency_proof(leaves, first), len(leaves)
    assert merkle.verify_consistency(first, size, proof, old, new)
    assert not merkle.verify_consistency(first, size, [*proof, old], old, new)
    assert not merkle.verify_consistency(first, size, proof, leaf_hash(b"x"), new)
    assert not merkle.verify_consistency(first, size, proof, old, leaf_hash(b"x"))
    if proof:
        assert not merkle.verify_consistency(first, size, proof[:-1], old, new)
    assert not merkle.verify_consistency(size + 1, size, proof, old, new)


def test_what_is_not_there_has_no_proof() -> None:
    for index in (-1, 8):
        with pytest.raises(IndexError):
            merkle.inclusion_proof(LEAVES, index)
    for first in (0, 9):
        with pytest.raises(IndexError):
            merkle.consistency_proof(LEAVES, first)
    assert not merkle.verify_consistency(0, 8, [], merkle.EMPTY_ROOT, merkle.root(LEAVES))
    assert not merkle.verify_consistency(3, 8, [], merkle.root(LEAVES[:3]), merkle.root(LEAVES))


@pytest.mark.parametrize(("size", "data"), [(1, b""), (2, b"x" * 64), (3, b"x" * 32), (-1, b"")])
def test_bytes_that_are_no_frontier_are_refused(size: int, data: bytes) -> None:
    with pytest.raises(ValueError, match="no frontier"):
        Frontier.from_bytes(size, data)
