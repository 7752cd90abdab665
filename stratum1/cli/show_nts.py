"""A picture of NTS key establishment for the terminal."""

from typing import Any

from stratum1.control.nts_words import nts_words, outcome_words

__all__ = ["nts_line", "nts_text"]

_TITLES = {
    "nts-state": "Key establishment",
    "nts-tls": "TLS",
    "nts-names": "Certificate for",
    "nts-expiry": "Certificate until",
    "nts-fingerprint": "Its SHA-256",
    "nts-authority": "Own authority",
    "nts-key": "Master key",
    "nts-issued": "Issued",
    "nts-aeads": "AEADs",
}


def nts_text(status: dict[str, Any]) -> str:
    """The whole of it, with the lines for clients."""
    nts = status["nts_ke"]
    if nts is None:
        return "NTS is not served: there is no [nts-ke] table."
    words = nts_words(nts)
    lines = [f"{title + ' ':.<24} {words[name]}" for name, title in _TITLES.items() if words[name]]
    lines += [f"{'  ' + name + ' ':.<24} {value}" for name, value in outcome_words(nts)]
    for program, text in nts["clients"].items():
        lines += ["", f"For {program}:", *(f"    {line}" for line in text.splitlines())]
    return "\n".join(lines)


def nts_line(nts: dict[str, Any]) -> tuple[str, str]:
    """One line for the status."""
    words = nts_words(nts)
    return f"NTS keys {nts['listen_address']}", f"{words['nts-state']}; {words['nts-issued']}"
