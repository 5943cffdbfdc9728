"""What messages and logs may say of a camera's address: not its user and password."""

import re

# In "udp://@:1234" there is none; a quote may be part of a password, or end what it quotes.
# "rtsp:/admin:pa55@camera" was mistyped.
_USER_INFO = re.compile(r"(?:(?<=//)|(?<=:/))(?:[^/\s'\"]|['\"](?=\S))+@")
# How the names of secret parameters end: "loginpas" (Foscam), "pw", "access_token", "_sid"
_NAME_END = (
    r"(?:pass(?:w(?:or)?d|phrase|code)?|pas|pswd?|pwd?|psk|token|secret|key|auth|credentials?|sid"
    r"|sig(?:nature)?)\d{0,2}"
)
# "user=admin_password=pa55_channel=1_stream=0.sdp" (video recorders by Xiongmai): a password may
# hold a '_', so what follows it has to be known
_TAIL = r"(?:_(?:channel|stream|subtype)=\d{1,4})*(?:\.sdp(?:\?real_stream)?)?"
_ENDING_QUOTE = r"['\"](?=[\s,:;.)\]}>]|$)"
_VALUE = rf"(?:(?!{_ENDING_QUOTE})[^&\s])+?(?={_TAIL}(?:[&\s]|{_ENDING_QUOTE}|$))"
_PARAMETER = re.compile(rf"(?i)([?&;/_#][a-z0-9_.-]{{0,40}}{_NAME_END}=){_VALUE}")
_SHORT_PARAMETER = re.compile(
    rf"(?i)([?&;/_](?:u|usr|user|username)=[^&\s]{{0,200}}&p=){_VALUE}"  # "?u=admin&p=pa55"
)

_SOURCE_USER_INFO = re.compile(r"(?s)[^/]*:.*@")
_SOURCE_PARAMETER = re.compile(rf"(?is)({_NAME_END}=)[^&]+?(?={_TAIL}(?:&|$))")


def redact(text: str) -> str:
    """The text without user info and secret parameters in any URL it holds."""
    text = _PARAMETER.sub(r"\1***", _USER_INFO.sub("***@", text))
    return _SHORT_PARAMETER.sub(r"\1***", text)


def redact_source(source: str) -> str:
    """A source that is no URL, without what is a secret if it was meant to be one.

    Nothing but the source is in the text, so that blanks and slashes of a password are known.
    """
    text = _SOURCE_PARAMETER.sub(r"\1***", _SOURCE_USER_INFO.sub("***@", source))
    return redact(text)
