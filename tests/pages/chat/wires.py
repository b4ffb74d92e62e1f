"""How clients speak to `chat.main`."""

from crosswire.fuzzer import JsonWire

wire = JsonWire(path="/ws/{user}", to_user={"to": "{to}", "text": "{event}"})
