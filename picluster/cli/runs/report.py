"""`picluster report`: what every node of a run used, and where the time went."""

from picluster.cli.show.words import print_record
from picluster.cli.terminal import options

EXAMPLES = """Examples:

picluster report                     the last run
picluster report ymbu                the run whose name ends with these letters
picluster report --json | jq .test_accuracy"""


def report(run: options.RunName = None, as_json: options.Json = False) -> None:
    """Show what every node of a run used and where the time went."""
    from picluster.cli.show.run_tables import show_report
    from picluster.controller.record.all_runs import find_run
    from picluster.controller.record.report import make_report

    print_record(make_report(find_run(run)), show_report, as_json=as_json)
