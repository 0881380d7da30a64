"""Runs Java programs on Apache Kafka's jars: the broker, the tools and the Java clients."""

from harness import installed

# C1 only and the serial collector: hundreds of short runs share two cores.
_FLAGS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]


def tool(main, *arguments, classes=None):
    """The argument list that runs a tool's or client's main class; its log goes to standard error."""
    kafka = installed.kafka()
    class_path = (kafka / "classpath-tools").read_text().strip()
    if classes:
        class_path += f":{classes}"
    flags = [
        "-Xmx256m",
        f"-XX:SharedArchiveFile={kafka}/classes.jsa",
        # What a JVM says about archives belongs to no tool's output.
        "-Xlog:disable",
        "-Xlog:all=error:stderr",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ]
    return ["java", *_FLAGS, *flags, "-cp", class_path, main, *map(str, arguments)]


def on_suite_jars(main, *arguments, classes=None):
    """The argument list that runs a main class on the jars of Kafka's tests, which Streams and Connect are among."""
    jars = installed.kafka_suite_jars()
    class_path = (jars / "classpath").read_text().strip()
    if classes:
        class_path += f":{classes}"
    flags = [
        "-Xmx256m",
        f"-XX:SharedArchiveFile={jars}/broker.jsa",
        "-Xlog:disable",
        "-Xlog:all=error:stderr",
        f"-Dlog4j2.configurationFile={installed.COMPAT_TESTS}/kafka-suite/log4j2.properties",
    ]
    # It must not outlive the tests, however these end.
    command = ["setpriv", "--pdeathsig", "KILL", "java", *_FLAGS, *flags, "-cp", class_path, main]
    return [*command, *map(str, arguments)]


# What kafka-server-start.sh gives a broker, for measuring it.
AS_RELEASED = [
    "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
]
SMALL = [*_FLAGS, "-Xmx512m"]


def broker(config_file, flags):
    """The argument list that runs Apache Kafka."""
    class_path = (installed.kafka() / "classpath-broker").read_text().strip()
    logging = f"-Dlog4j2.configurationFile={installed.COMPAT_TESTS}/kafka/log4j2-broker.properties"
    return ["java", *flags, logging, "-cp", class_path, "kafka.Kafka", str(config_file)]
