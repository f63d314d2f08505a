"""Compiled functions are kept where that is allowed; rows are shared among threads completely and in order."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest
from numba.core import caching

from reknow.compiled import compiled, in_chunks


def triple(number):
    return 3 * number


@pytest.fixture
def read_only(monkeypatch):
    """Numba meets folders that may not be written; the returned list takes those that may."""
    writable: list[Path] = []

    def ensure(self):
        folder = Path(self.get_cache_path())
        if not any(folder.is_relative_to(place) for place in writable):
            raise OSError("read-only")
        folder.mkdir(parents=True, exist_ok=True)

    for kind in vars(caching).values():
        if isinstance(kind, type) and hasattr(kind, "ensure_cache_path"):
            monkeypatch.setattr(kind, "ensure_cache_path", ensure)
    return writable


def test_a_read_only_installation_keeps_them_in_the_cache_folder(read_only, monkeypatch, tmp_path):
    monkeypatch.setenv("REKNOW_CACHE", str(tmp_path))
    read_only.append(tmp_path)
    before = numba.config.CACHE_DIR
    assert compiled(nogil=True)(triple)(14) == 42
    assert list((tmp_path / "compiled").rglob("test_compiled.triple*.nbi"))
    assert before == numba.config.CACHE_DIR  # other packages' functions stay where they were


def test_where_nothing_may_be_written_they_are_compiled_anew(read_only, tmp_path, monkeypatch):
    monkeypatch.setenv("REKNOW_CACHE", str(tmp_path))
    assert compiled()(triple)(14) == 42
    assert not list(tmp_path.iterdir())


def test_every_module_compiles_through_it():
    package = Path(__file__).parent.parent / "src" / "reknow"
    using = [
        path.name for path in package.rglob("*.py") if "import numba" in path.read_text() or "njit" in path.read_text()
    ]
    assert using == ["compiled.py"]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [0, 1, 127, 128, 129, 5000])
def test_ranges_cover_all_rows_in_order(monkeypatch, rows, threads):
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: threads)
    covered = [row for chunk in in_chunks(rows, lambda first, last: list(range(first, last))) for row in chunk]
    assert covered == list(range(rows))


def test_failures_are_not_lost(monkeypatch):
    monkeypatch.setattr("faiss.omp_get_max_threads", lambda: 2)

    def fail(first: int, last: int) -> None:
        raise ValueError(f"rows {first} to {last}")

    with pytest.raises(ValueError, match="rows 0 to"):
        in_chunks(1000, fail)
