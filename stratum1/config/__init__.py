"""The whole configuration as typed models: TOML in, precise errors out (docs/configure.md is made from these).

Keys are kebab-case; an unknown key is refused with the nearest name. Pure: the caller reads the file.
"""

from ._nts_ke import NtsKeConfig
from ._outputs import OutputConfig
from ._service import RateLimitConfig, ServerConfig, ServiceConfig
from ._setup_table import SetupConfig
from ._tables import ClockConfig, ControlConfig, LogConfig, ReceiverConfig, SourceConfig, WebConfig
from ._text import ConfigError, json_schema, parse_config, render_toml
from ._values import split_address
from ._whole import Config

__all__ = [
    "ClockConfig",
    "Config",
    "ConfigError",
    "ControlConfig",
    "LogConfig",
    "NtsKeConfig",
    "OutputConfig",
    "RateLimitConfig",
    "ReceiverConfig",
    "ServerConfig",
    "ServiceConfig",
    "SetupConfig",
    "SourceConfig",
    "WebConfig",
    "json_schema",
    "parse_config",
    "render_toml",
    "split_address",
]
