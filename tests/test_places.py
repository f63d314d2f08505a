"""Where the cache lives, for users with a home, without one, and with one that may not be written."""

from __future__ import annotations

import logging
import os
import pwd
import stat
from pathlib import Path

import pytest

from reknow import places
from reknow.errors import DataError
from reknow.places import at_home, cache_folder


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch):
    for name in ("REKNOW_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    places._temporary_folder.cache_clear()
    yield
    places._temporary_folder.cache_clear()


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """A user without HOME and without an entry in passwd; returns the temporary folder."""

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_the_environment_comes_before_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "reknow"
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert cache_folder() == Path("/there/reknow")
    monkeypatch.setenv("REKNOW_CACHE", "~/here")
    assert cache_folder() == tmp_path / "here"


def test_without_a_home_it_is_a_private_folder_and_that_is_said_once(homeless, caplog):
    with caplog.at_level(logging.WARNING, "reknow"):
        folder = cache_folder()
        assert cache_folder() == folder == homeless / f"reknow-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [record.getMessage().count(str(folder)) for record in caplog.records] == [1]
    assert "REKNOW_CACHE" in caplog.text


def test_a_home_that_may_not_be_written_counts_as_none(homeless, monkeypatch):
    monkeypatch.setenv("HOME", "/dev/null")  # no folder can be made below it, whoever asks
    assert cache_folder().parent == homeless


@pytest.mark.parametrize("trap", ["link", "file", "open to others"])
def test_a_folder_that_others_prepared_is_refused(homeless, trap):
    place = homeless / f"reknow-{os.getuid()}"
    if trap == "link":
        (homeless / "theirs").mkdir()
        place.symlink_to(homeless / "theirs")
    elif trap == "file":
        place.write_text("in the way")
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(DataError, match=r"no home.*Set REKNOW_CACHE"):
        cache_folder()


def test_a_tilde_without_a_home_is_refused_for_the_cache_and_kept_elsewhere(homeless, monkeypatch):
    monkeypatch.setenv("REKNOW_CACHE", "~/here")
    with pytest.raises(DataError, match=r"REKNOW_CACHE: '~/here'.*whole path"):
        cache_folder()
    assert at_home("~/here") == Path("~/here")
    assert at_home("~no-such-user-anywhere/x") == Path("~no-such-user-anywhere/x")
