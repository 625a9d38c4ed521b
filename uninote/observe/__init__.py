"""What other programs are told of a run: lines of JSON, a Prometheus text file, OpenLineage events; off unless configured."""
