"""Faults that operators meet, by what Java, Rust and Python print of them, each with one sentence for a person.

docs/runbook.md lists them. `{at}` in a sentence is the table or file it is about. A new fault costs one entry here, and
its text, as the real thing prints it, one in the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One kind of fault: the texts that tell it, any of them, and the sentence."""

    texts: re.Pattern[str]
    sentence: str


def _fault(sentence: str, *texts: str) -> Fault:
    return Fault(re.compile("|".join(texts)), sentence)


_REBUILD = (
    "Restore it from a backup; without one, move the table's folder away and run the job that makes it (docs/runbook.md, "
    '"A damaged table")'
)

_LOG_DAMAGED = "the log of {at} is damaged. " + _REBUILD

# The first that fits counts: those that are the cause of others come before them.
FAULTS = (
    _fault(
        "the disk is full (of the lake, or of Spark's scratch folders, spark.local.dir). Free some space; a run needs about "
        "twice what it adds",
        r"No space left on device",
        r"[Dd]isk quota exceeded",
        r"ENOSPC",
    ),
    _fault(
        "a file was to grow larger than this user's processes may make one, or than the file system takes. Raise the limit "
        "(ulimit -f), or name another place",
        r"File too large",
        r"EFBIG",
    ),
    _fault(
        "{at} is on a file system that is mounted read-only. Mount it for writing, or name another lake",
        r"Read-only file system",
    ),
    _fault(
        "permission denied on {at}. Give the user that runs this job the right to read and write there",
        r"Permission denied",
        r"AccessControlException",
        r"AccessDeniedException",
        r"Operation not permitted",
    ),
    _fault(
        "a folder cannot be made at {at}: a file stands in its way, or the place takes none. Name another place",
        r"Mkdirs failed to create",
        r"DELTA_CANNOT_CREATE_LOG_PATH",
        r"Not a directory",
        r"[Pp]arent path is not a directory",
        r"ParentNotDirectoryException",
        r"FileAlreadyExistsException",
        r"NotADirectoryError",
        r"FileExistsError",
    ),
    _fault(
        "the files of {at} cannot be reached: the file system that holds them fails (input/output error). Mount it again, "
        "then run the same command",
        r"Input/output error",
        r"Stale (?:NFS )?file handle",
        r"Transport endpoint is not connected",
    ),
    _fault("too many files are open. Raise the limit (ulimit -n 65536) for this user", r"Too many open files"),
    _fault("the name of {at} is longer than the file system takes. Choose shorter names", r"File name too long"),
    _fault(
        "another run writes to this lake, and its commit came first. Let it end, then run this one again; only one run may "
        "write to a lake at a time",
        r"DELTA_CONCURRENT_",
        r"Concurrent(?:Append|DeleteRead|DeleteDelete|Transaction|Write|Modification)Exception",
        r"(?:MetadataChanged|ProtocolChanged)Exception",
        r"DELTA_(?:METADATA|PROTOCOL)_CHANGED",
        r"CommitFailedError",
        r"[Tt]ransaction (?:conflict|failed)",
        r"[Aa] concurrent transaction",
        r"[Vv]ersion already exists",
    ),
    _fault(
        "{at} was made by a newer Delta, or with a feature that this one does not know. Upgrade, or drop the feature "
        "(ALTER TABLE … DROP FEATURE)",
        r"DELTA_UNSUPPORTED_FEATURES?",
        r"DELTA_INVALID_PROTOCOL_VERSION",
        r"DELTA_UNSUPPORTED_.*_FEATURE",
        r"[Uu]nsupported (?:reader|writer) (?:feature|version)",
        r"(?:reader|writer) (?:features?|version).{0,200}(?:not (?:yet )?supported|only supports)",
        r"Unknown TableFeatures?",
        r"Unsupported: Feature",
    ),
    _fault(
        "{at} has deletion vectors, which readers of its files would not see. Set its property delta.enableDeletionVectors to "
        "false and run REORG TABLE … APPLY (PURGE)",
        r"deletion ?[vV]ectors?.{0,200}(?:not (?:yet )?supported|only supports)",
        r"DeletionVectors",
    ),
    _fault(
        _LOG_DAMAGED,
        r"Encountered error while reading file file:\S*_delta_log",
        r"Checksum error: file:\S*_delta_log",
        r"DELTA_STATE_RECOVER_ERROR",
        r"DELTA_TRUNCATED_TRANSACTION_LOG",
        r"DELTA_VERSIONS_NOT_CONTIGUOUS",
        r"DELTA_LOG_FILE_NOT_FOUND",
        r"DELTA_MISSING_(?:CHANGE|COMMIT|TRANSACTION|PART)\w*",
        r"DELTA_TABLE_NOT_FOUND|DELTA_MISSING_DELTA_TABLE",
        r"Json error",
        r"Invalid JSON in log",
        r"_delta_log/\S*checkpoint",
        r"corrupted file: the footer",
    ),
    _fault(
        "{at} is not there, although this job needs it; was it removed while the job ran? Run the same command again",
        # Not a table's file: those are the next entry's.
        r"FileNotFoundError: \[Errno 2\] [^\n]*'(?![^'\n]*(?:\.parquet|_delta_log|_change_data))/[^'\n]*'",
    ),
    _fault(
        "files of {at} are gone (deleted, or taken by a VACUUM), although its log names them. " + _REBUILD,
        r"DELTA_FILE_NOT_FOUND",
        r"FAILED_READ_FILE\.FILE_NOT_EXIST",
        r"FileNotFoundException",
        r"FileNotFoundError",
        r"No such file or directory",
        r"Object at location .* not found",
    ),
    _fault(
        _LOG_DAMAGED,
        r"Kernel error",
        r"(?:Metadata|Protocol).{0,60}not found",
        r"[Nn]o (?:files|protocol|metadata|commit).{0,40}(?:log|found)",
        r"log segment",
        r"[Cc]heckpoint.{0,80}(?:corrupt|missing|invalid|not found)",
    ),
    _fault(
        "a file of {at} is damaged: it cannot be read as what it should be. " + _REBUILD,
        r"is not a Parquet file",
        r"FAILED_READ_FILE",
        r"Parquet magic bytes not found",
        r"Parquet (?:file|error)",
        r"Could not (?:open|read) (?:Parquet|footer)",
        r"Corrupt(?:ed)? (?:footer|snappy|page|Parquet|data)",
        r"ChecksumException",
        r"CRC (?:mismatch|check)",
        r"Couldn't deserialize thrift",
        r"ZSTD_|Snappy",
    ),
    _fault(
        "the results are too large for the driver. Raise spark.driver.maxResultSize (and spark.driver.memory) in "
        "spark-defaults.conf",
        r"bigger than (?:local )?spark\.driver\.maxResultSize",
        r"maxResultSize",
    ),
    _fault(
        "Spark's JVM has no more memory. Raise spark.driver.memory (locally) or spark.executor.memory, or give tasks less "
        "(spark.sql.shuffle.partitions, embed.items_per_task)",
        r"java\.lang\.OutOfMemoryError",
        r"GC overhead limit",
        r"Java heap space",
    ),
    _fault(
        "a Python worker has no more memory. Lower neighbours.task_mib, index.task_mib, embed.batch_tokens or media.threads, "
        "run fewer tasks at once, or raise the limit of memory (spark.executor.pyspark.memory)",
        r"\bMemoryError",
        r"ArrowMemoryError",
        r"malloc of size",
        r"std::bad_alloc",
        r"Cannot allocate memory",
        r"Unable to allocate",
    ),
    _fault(
        "a Python worker was killed, most often by the system for want of memory. Lower neighbours.task_mib, index.task_mib "
        "or embed.batch_tokens, or run fewer tasks at once (spark.master local[2,4]); dmesg names what the system killed",
        r"Python worker exited unexpectedly",
        r"Python worker (?:failed to connect back|keeps on stopping)",
        r"ExecutorLostFailure",
        r"[Ee]xecutor \S+ (?:was lost|exited)",
        r"Container killed",
    ),
    _fault(
        "Spark's workers run a Python that lacks a module of this job's ({module}). Install this package where "
        "PYSPARK_PYTHON (or spark.pyspark.python) points, or let it point to the Python of this job",
        r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'",
    ),
    _fault(
        "the Python of Spark's workers is another version than the driver's. Let PYSPARK_PYTHON (or spark.pyspark.python) name "
        "the Python of this job",
        r"PYTHON_VERSION_MISMATCH",
    ),
    _fault(
        "the Python of Spark's workers cannot be started. Let PYSPARK_PYTHON (or spark.pyspark.python) name the Python of this "
        "job",
        r'Cannot run program "',
    ),
    _fault(
        "the job was cancelled in Spark, from its web UI or by its cluster. Run the same command again to go on",
        r"SparkContext was shut ?down",
        r"[Jj]ob \d+ cancelled",
        r"cancelled (?:because|as part)",
        r"stopped SparkContext",
    ),
    _fault(
        "Spark's JVM is gone: killed, most often for want of memory. Lower spark.driver.memory if it is more than the machine "
        "has, raise it if the JVM said that its heap is full",
        r"Answer from Java side is empty",
        r"Py4JNetworkError",
        r"while trying to connect to the Java server",
        r"Connection refused",
        r"Connection reset by peer",
    ),
    _fault(
        "a network port that Spark wants is taken, or its address is not this machine's. Set spark.ui.enabled=false, other "
        "ports, or SPARK_LOCAL_IP=127.0.0.1",
        r"BindException",
        r"Address already in use",
        r"Cannot assign requested address",
        r"UnknownHostException",
    ),
    _fault(
        "the Java that runs Spark is too old. Spark needs Java 17 or newer: set JAVA_HOME to one",
        r"UnsupportedClassVersionError",
        r"Unsupported class file",
    ),
    _fault(
        "this Spark lacks Delta's jars. Run: python -m uninote.install",
        r"(?:ClassNotFoundException|NoClassDefFoundError).{0,20}(?:io[./]delta|org[./]apache[./]spark[./]sql[./]delta)",
        r"Failed to find the data source: delta",
        r"DATA_SOURCE_NOT_FOUND.{0,80}delta",
    ),
    _fault(
        "this Spark cannot read that kind of place. Name a local folder, or add the jar of the store (hadoop-aws for s3a://)",
        r"No FileSystem for scheme",
        r"Class org\.apache\.hadoop\.fs\.\S+ not found",
    ),
)
