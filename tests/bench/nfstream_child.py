"""Runs in the peers' own venv, without this project: meters captures with NFStream, prints one JSON object for each.

One meter (n_meters=1; NFStream still hands flows to this process, so it uses up to two cores), no statistics, no
report, flows kept as long as ours, since expiring them early would only give it more to do.
"""

import json
import sys
import time

import nfstream


def main() -> None:
    for path in sys.argv[1:]:
        begin = time.perf_counter()
        flows = packets = named = 0
        streamer = nfstream.NFStreamer(
            source=path,
            n_meters=1,
            statistical_analysis=False,
            splt_analysis=0,
            performance_report=0,
            idle_timeout=3600,
            active_timeout=14400,
        )
        for flow in streamer:
            flows += 1
            packets += flow.bidirectional_packets
            named += bool(flow.requested_server_name)
        seconds = time.perf_counter() - begin
        found = {"seconds": seconds, "packets": packets, "flows": flows, "named": named}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
