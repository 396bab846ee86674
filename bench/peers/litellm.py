"""LiteLLM's proxy, which puts itself between a client and a provider as the hub does."""

from __future__ import annotations

import json
from pathlib import Path

from bench.asker import KEY
from bench.environment import Environment
from bench.peers.peer import Running, start
from bench.processes import SERVER_CORE, Process


class LiteLlm:
    name = "litellm"
    title = "LiteLLM's proxy"

    def start(self, environment: Environment, log: Path) -> Running:
        raise NotImplementedError("it has no channels")

    def between(
        self, environment: Environment, provider_port: int, log: Path
    ) -> tuple[Process, int]:
        """In front of a provider: the process and its port. One worker, as one core wants it."""
        configuration = log.with_suffix(".yaml")
        entry = {
            "model_name": "bench",
            "litellm_params": {
                "model": "openai/bench",
                "api_base": f"http://127.0.0.1:{provider_port}/v1",
                "api_key": "none",
            },
        }
        # JSON is YAML.
        configuration.write_text(
            json.dumps({"model_list": [entry], "general_settings": {"master_key": KEY}})
        )
        program = environment.litellm()
        return start(
            lambda port: Process(
                [program, "--config", configuration, "--host", "127.0.0.1", "--port", str(port)],
                core=SERVER_CORE, log=log, env={"LITELLM_LOG": "ERROR", "NO_DOCS": "True"},
            )
        )  # fmt: skip
