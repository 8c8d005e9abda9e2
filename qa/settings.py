"""Every knob of the service: its default, its ``QA_*`` variable and one line of help."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from qa import paths
from qa.errors import SettingInvalid

PREFIX = "QA_"
MOST_BODY_BYTES = 1 << 20
_WRONG_VALUE = {
    "int_parsing": "应是整数",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "string_pattern_mismatch": "应是 http:// 或 https:// 开头的网址",
    "not_origins": "应是 https://域名[:端口]，多个用逗号隔开；或只写一个 *",
    "literal_error": "应是 {expected} 之一",
    "not_hosts": "应是域名，多个用逗号隔开，以点开头的连同子域名，不写端口",
}
_ORIGIN = re.compile(r"https?://(?:[\w-]+(?:\.[\w-]+)*|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?")
_HOST = re.compile(r"\.?[\w-]+(?:\.[\w-]+)*")


def listed(value: str) -> list[str]:
    """Return the items of a setting that is a list between commas."""
    return [item for item in map(str.strip, value.split(",")) if item]


def _origins(value: str) -> str:
    if value.strip() != "*" and not all(map(_ORIGIN.fullmatch, listed(value))):
        raise PydanticCustomError("not_origins", "should be origins between commas, or * alone")
    return value


def _hosts(value: str) -> str:
    if not all(map(_HOST.fullmatch, listed(value))):
        raise PydanticCustomError("not_hosts", "should be host names between commas, no ports")
    return value


class Settings(BaseSettings):
    """The settings of one process: flag, else ``QA_*`` variable, else default."""

    # An empty variable is one that is not set: an empty path would be the working directory.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    corpus: Annotated[Path, Field(description="语料文件夹（guidance/ 或任意 .md/.txt 文件）")] = (
        paths.CORPUS
    )
    index: Annotated[Path, Field(description="索引文件夹，由 qa rebuild 写入")] = paths.INDEX
    model: Annotated[
        str, Field(description="编码模型：留空用自带模型，或 sentence-transformers 的名称、文件夹")
    ] = ""
    host: Annotated[str, Field(description="服务监听的地址")] = "127.0.0.1"
    port: Annotated[int, Field(description="服务监听的端口", ge=0, le=65535)] = 8000
    workers: Annotated[int, Field(description="服务进程数", ge=1, le=64)] = 1
    threads: Annotated[int, Field(description="每个服务进程的线程数", ge=1, le=64)] = 4
    k: Annotated[int, Field(description="默认给出几段", ge=1, le=20)] = 3
    max_k: Annotated[int, Field(description="最多给出几段", ge=1, le=100)] = 20
    max_question_chars: Annotated[int, Field(description="问题最多多少字", ge=1, le=20000)] = 2000
    max_body_bytes: Annotated[
        int, Field(description="请求体最多多少字节", ge=1024, le=MOST_BODY_BYTES)
    ] = 65536
    time_limit_ms: Annotated[
        int, Field(description="一个问题最多算多少毫秒，超过就只按字词查找", ge=1, le=25000)
    ] = 2000
    rate_limit: Annotated[
        str, Field(description="每个来源地址最多问多少次，例如 60/minute;1000/hour；off 为不限")
    ] = "60/minute;1000/hour"
    rate_storage: Annotated[
        str, Field(description="次数记在哪里：memory:// 为各进程自己的内存，或 redis://…")
    ] = "memory://"
    cors: Annotated[
        str,
        Field(description="哪些网站的网页可以调用接口，用逗号隔开；* 为所有"),
        AfterValidator(_origins),
    ] = ""
    hosts: Annotated[
        str, Field(description="本服务的域名，用逗号隔开；留空不核对"), AfterValidator(_hosts)
    ] = ""
    proxies: Annotated[int, Field(description="前面有几层反向代理", ge=0, le=8)] = 0
    feedback: Annotated[
        str,
        Field(description="反馈和次数记在哪里：留空用本机文件，或数据库地址；off 为不记"),
    ] = ""
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Field(description="日志的格式；auto 在终端上为文字，否则每行一个 JSON"),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="日志从哪一级起记"),
    ] = "info"
    metrics: Annotated[
        Literal["local", "all", "off"],
        Field(description="谁可以读 /metrics：只有本机（不经代理）、任何人、没有人"),
    ] = "local"
    exit_url: Annotated[
        str, Field(description="“快速离开”去哪个网页", pattern=r"^https?://[^\s]+$")
    ] = "https://www.baidu.com/"

    @classmethod
    def load(cls, **flags: object) -> Settings:
        """Return the settings in force.

        Args:
            flags: values given on the command line; ``None`` means not given.

        Raises:
            SettingInvalid: a value cannot be used; names the flag or the variable.
        """
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            settings = cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            raise _invalid(error, given) from error
        if settings.k > settings.max_k:
            raise SettingInvalid(
                f"设置 k = {settings.k} 不能大于 max_k = {settings.max_k}。请改其中一个。",
                f"k = {settings.k} is more than max_k = {settings.max_k}. Change one of them.",
            )
        return settings

    def origin(self, name: str, flags: dict[str, object]) -> str:
        """Say where a setting's value came from: a flag, its variable, or the default."""
        if flags.get(name) is not None:
            return f"--{name}"
        return variable(name) if os.environ.get(variable(name)) else "default"


def without_secrets(address: str) -> str:
    """Return an address without the user, the password and the parameters that it may hold."""
    return re.sub(r"(?<=://)[^/@]*@|\?.*", "", address)


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()


def _invalid(error: ValidationError, given: dict[str, object]) -> SettingInvalid:
    first = error.errors()[0]
    name = str(first["loc"][0])
    where = f"--{name.replace('_', '-')}" if name in given else variable(name)
    value = first.get("input")
    details = {"message": first["msg"], **first.get("ctx", {})}
    wrong = _WRONG_VALUE.get(first["type"], "{message}").format(**details)
    return SettingInvalid(
        f"设置 {where} 的值 {value!r} 不能用：{wrong}。运行 qa info 可查看每项设置。",
        f"{where} = {value!r} cannot be used: {first['msg']}. `qa info` lists every setting.",
    )
