"""`hubbub token`: mint a token with the hub's secret and print it (contract §9).

    hubbub token --subscribe news --subscribe 'user:7:*' --ttl 1h
    HUB_TOKEN=$(hubbub token --admin --subscribe '*' --publish '*' --generate) hubbub listen news

It reads `HUB_JWT_SECRET` and, where they are set, `HUB_JWT_AUDIENCE`, `HUB_JWT_ISSUER` and
`HUB_JWT_CLAIM`, so that the token suits the hub that has the same settings. No hub is asked.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from hub.access.minting import mint, seconds_of
from hub.settings import SettingError, Settings


def main(arguments: Sequence[str]) -> int:
    args = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environ(os.environ)
        if settings.jwt_secret is None:
            raise SettingError(
                "HUB_JWT_SECRET must be set: it is what the token is signed with. Where tokens "
                "come from an identity provider, that one makes them"
            )
    except SettingError as error:
        print(f"hubbub: {error}", file=sys.stderr)
        return 2
    print(
        mint(
            settings.jwt_secret,
            ttl_seconds=args.ttl,
            subject=args.sub,
            subscribe=args.subscribe,
            publish=args.publish,
            generate=args.generate,
            admin=args.admin,
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            claim=settings.jwt_claim,
        )
    )
    return 0


class _Parser(argparse.ArgumentParser):
    """Complains as the other commands do: in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"hubbub: {message}; see `{self.prog} --help`\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="hubbub token",
        description="Mint a token with the secret that the hub has (HUB_JWT_SECRET).",
        epilog="examples:\n"
        "  hubbub token --subscribe news 'user:7:*' --sub 7 --ttl 1h\n"
        "  hubbub token --generate --sub ann\n"
        "  HUB_TOKEN=$(hubbub token --admin) hubbub top",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, what in (("subscribe", "listened to and read"), ("publish", "published to")):
        parser.add_argument(
            f"--{name}",
            action="extend",
            nargs="+",
            default=[],
            metavar="CHANNEL",
            help=f"a channel that may be {what}; a * at its end stands for what follows",
        )
    parser.add_argument("--generate", action="store_true", help="may ask the model")
    parser.add_argument("--admin", action="store_true", help="may do everything")
    parser.add_argument("--sub", metavar="NAME", help="who it is for: the owner of what is made")
    parser.add_argument(
        "--ttl", type=_seconds, default=3600, metavar="TIME", help="30m, 1h, 7d (default: 1h)"
    )
    return parser


def _seconds(text: str) -> int:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
