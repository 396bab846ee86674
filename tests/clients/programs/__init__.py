"""Programs that listen with other people's clients. Each prints JSON lines: `{"text": …}` for what
it got, `{"end": how}` when it is over, `{"error": …}` where it was cut and cannot resume."""
