"""Runs Java programs on Apache Kafka's jars: the broker, the tools and the Java clients."""

from harness import installed

# C1 only and the serial collector: hundreds of short runs share two cores.
_FLAGS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]


def command(main, *arguments, log="tools", heap_mib=256, classes=None):
    """The argument list that runs a main class."""
    kafka = installed.kafka()
    class_path = (kafka / "classpath").read_text().strip()
    if classes:
        class_path += f":{classes}"
    archive = kafka / "classes.jsa"
    return [
        "java",
        f"-Xmx{heap_mib}m",
        *_FLAGS,
        f"-XX:SharedArchiveFile={archive}",
        "-Xlog:disable",
        "-Xlog:all=error:stderr",
        f"-Dlog4j2.configurationFile={installed.COMPAT_TESTS}/kafka/log4j2-{log}.properties",
        "-cp",
        class_path,
        main,
        *map(str, arguments),
    ]
