//! `ottla format` against the files and messages of `kafka-storage format` of Apache Kafka 4.3.1.

use super::{write, *};
use crate::{checkpoint_file, metadata_log};
use clap::Parser;
use ottla_protocol::stored::VotersRecord;
use ottla_storage::{
    fs::{Fs as _, SimFs, sim},
    log_dir::MetaProperties,
};

/// A controller whose voters may change, one whose voters do not, and how both go on.
const DYNAMIC: &str = "controller.quorum.bootstrap.servers=127.0.0.1:9093\n";
const STATIC: &str = "controller.quorum.voters=1@127.0.0.1:9093\n";
const NODE: &str = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
                    listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://:9093\nlog.dirs=/d/a,/d/b\n";
const ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";
const VOTERS: &str = "1@localhost:29193:2IR9AI9GQJ2_7IXNExIb3A,2@[::1]:29194:3IR9AI9GQJ2_7IXNExIb3A";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: FormatArgs,
}

fn args(flags: &[&str]) -> FormatArgs {
    let line = ["format", "-c", "server.properties", "-t", ID].iter().chain(flags);
    Line::try_parse_from(line).unwrap().args
}

fn request(config: &str, flags: &[&str]) -> Result<request::Request, request::Error> {
    let sources = Sources::from_file("server.properties", format!("{NODE}{config}").as_bytes()).unwrap();
    request::Request::new(&args(flags), &sources.load().unwrap().config)
}

/// Formats, and answers what was said, or why not.
fn format(fs: &SimFs, config: &str, flags: &[&str]) -> Result<Vec<String>, String> {
    let request = request(config, flags).map_err(|error| error.to_string())?;
    let mut said = Vec::new();
    write::format(fs, &request, 1, &mut |line| said.push(line)).map_err(|error| error.to_string())?;
    Ok(said)
}

fn properties(fs: &SimFs, dir: &str) -> Option<MetaProperties> {
    MetaProperties::read(fs, Path::new(dir)).unwrap()
}

fn voters_file(dir: &str) -> PathBuf {
    Path::new(dir).join(metadata_log::FOLDER).join(checkpoint_file::file_name(0, 0))
}

fn voters(fs: &SimFs, dir: &str) -> Option<VotersRecord> {
    checkpoint_file::read(fs, &voters_file(dir)).unwrap().and_then(|snapshot| snapshot.voters)
}

#[test]
fn a_voter_among_others_gets_kafkas_files() {
    let fs = SimFs::new();
    let alice = "SCRAM-SHA-256=[name=alice,password=alice-secret,salt=N3E=]";
    let bob = "SCRAM-SHA-512=[name=bob,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]";
    let flags = ["-I", VOTERS, "-S", alice, "-S", bob, "-r", "4.0", "-f", "group.version=0"];
    let said = format(&fs, DYNAMIC, &flags).unwrap();
    assert!(said[0].starts_with("Bootstrap metadata: BootstrapMetadata(records=[ApiMessageAndVersion(FeatureLevelRecord(name='metadata.version', featureLevel=25) at version 0), "), "{}", said[0]);
    assert!(said[0].ends_with("metadataVersionLevel=25, source=format command)"), "{}", said[0]);
    assert_eq!(said[1], "Formatting dynamic metadata voter directory /d/a with metadata.version 4.0-IV3.");
    assert_eq!(said[2], "Formatting data directory /d/b with metadata.version 4.0-IV3.");

    let kafkas = SimFs::new();
    kafkas.put(&file("/k", BOOTSTRAP_FILE), include_bytes!("testdata/bootstrap.checkpoint"));
    kafkas.put(&voters_file("/k"), include_bytes!("testdata/voters.checkpoint"));
    let bootstrap = |fs: &SimFs, dir| checkpoint_file::read(fs, &file(dir, BOOTSTRAP_FILE)).unwrap().unwrap();
    assert_eq!(bootstrap(&fs, "/d/a"), bootstrap(&kafkas, "/k"));
    assert_eq!(bootstrap(&fs, "/d/b"), bootstrap(&kafkas, "/k"));
    assert_eq!(voters(&fs, "/d/a"), voters(&kafkas, "/k"));
    assert_eq!(voters(&fs, "/d/b"), None);

    let expected = "#\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\ndirectory.id=2IR9AI9GQJ2_7IXNExIb3A\nnode.id=1\nversion=1\n";
    assert_eq!(fs.content(Path::new("/d/a/meta.properties")).unwrap(), expected.as_bytes());
    assert_ne!(properties(&fs, "/d/b").unwrap().directory_id, properties(&fs, "/d/a").unwrap().directory_id);
}

#[test]
fn secrets_are_not_said() {
    let scram = "SCRAM-SHA-256=[name=alice,password=alice-secret,salt=N3E=]";
    let said = format(&SimFs::new(), DYNAMIC, &["-s", "-S", scram]).unwrap();
    let expected = "UserScramCredentialRecord(name='alice', mechanism=1, salt=(redacted), storedKey=(redacted), \
                    serverKey=(redacted), iterations=4096)";
    assert!(said[0].contains(expected), "{}", said[0]);
}

/// The one voter of a standalone controller, as its config has others reach it.
#[test]
fn a_standalone_controller_is_its_only_voter() {
    for (config, host, port) in [
        ("", "localhost", 9093),
        ("advertised.listeners=PLAINTEXT://h:9092\n", "localhost", 9093),
        ("advertised.listeners=PLAINTEXT://h:9092,CONTROLLER://c:1\n", "c", 1),
        ("listeners=PLAINTEXT://:9092,CONTROLLER://[::1]:9093\n", "0:0:0:0:0:0:0:1", 9093),
    ] {
        let fs = SimFs::new();
        format(&fs, &format!("{DYNAMIC}{config}"), &["--standalone"]).unwrap();
        let record = voters(&fs, "/d/a").unwrap();
        let [voter] = &record.voters[..] else { panic!("{record:?}") };
        assert_eq!(Some(voter.voter_directory_id), properties(&fs, "/d/a").unwrap().directory_id);
        let endpoint = &voter.endpoints[0];
        assert_eq!((endpoint.host.as_str(), endpoint.port, voter.voter_id), (host, port, 1));
        assert_eq!(endpoint.name.as_str(), "CONTROLLER");
    }
}

#[test]
fn a_dir_is_what_the_quorum_makes_of_it() {
    for (config, flags, kind, has_voters) in [
        (STATIC, &[][..], "metadata directory", false),
        (STATIC, &["-N"], "metadata directory", false),
        (DYNAMIC, &["-N"], "metadata directory", false),
        (DYNAMIC, &["-s"], "dynamic metadata voter directory", true),
        (DYNAMIC, &["-I", "5@h:1:2IR9AI9GQJ2_7IXNExIb3A"], "dynamic metadata directory", true),
    ] {
        let fs = SimFs::new();
        let said = format(&fs, config, flags).unwrap();
        assert_eq!(said[1], format!("Formatting {kind} /d/a with metadata.version 4.3-IV0."));
        assert_eq!(voters(&fs, "/d/a").is_some(), has_voters);
    }
    let fs = SimFs::new();
    let said = format(&fs, &format!("{STATIC}metadata.log.dir=/m\n"), &[]).unwrap();
    assert!(said.contains(&"Formatting metadata directory /m with metadata.version 4.3-IV0.".to_owned()), "{said:?}");
    assert!(properties(&fs, "/m").is_some());
}

#[test]
fn flags_that_make_no_sense_are_refused_in_kafkas_words() {
    for (config, flags, expected) in [
        (
            DYNAMIC,
            &[][..],
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: --standalone, --initial-controllers, or --no-initial-controllers.",
        ),
        (
            STATIC,
            &["-s"],
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify controller.quorum.bootstrap.servers instead.",
        ),
        (DYNAMIC, &["-s", "-f", "x"], "Can't parse feature=level string x: equals sign not found."),
        (
            DYNAMIC,
            &["-s", "-f", "group.version=99999"],
            "Can't parse feature=level string group.version=99999: unable to parse 99999 as a short.",
        ),
        (DYNAMIC, &["-s", "-f", "group.version = 2"], "No feature:group.version with feature level 2"),
        (DYNAMIC, &["-s", "-r", "3.5-IV1", "-S", "x"], "SCRAM is only supported in metadata.version 3.5-IV2 or later."),
        (DYNAMIC, &["-s", "-S", "x"], "Failed to find equals sign in SCRAM argument 'x'"),
        (DYNAMIC, &["-I", "x"], "No @ found in dynamic voter string."),
    ] {
        let fs = SimFs::new();
        assert_eq!(format(&fs, config, flags).unwrap_err(), expected);
        assert!(!fs.exists(Path::new("/d")).unwrap(), "nothing is touched");
    }
    for flags in [&["-s", "-N"][..], &["-s", "-I", VOTERS]] {
        assert!(Line::try_parse_from(["format", "-c", "f", "-t", ID].iter().chain(flags)).is_err());
    }
}

const A: &str = "version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nnode.id=1\ndirectory.id=2IR9AI9GQJ2_7IXNExIb3A\n";

#[test]
fn what_is_formatted_is_kept() {
    let fs = SimFs::new();
    fs.put(Path::new("/d/a/meta.properties"), A.as_bytes());
    let error = format(&fs, DYNAMIC, &["-s"]).unwrap_err();
    assert_eq!(
        error,
        "Log directory /d/a is already formatted. Use --ignore-formatted to ignore this directory and format the others."
    );
    let said = format(&fs, DYNAMIC, &["-s", "-g"]).unwrap();
    assert_eq!(said[1..], ["Formatting data directory /d/b with metadata.version 4.3-IV0."]);
    assert_eq!(fs.content(Path::new("/d/a/meta.properties")).unwrap(), A.as_bytes());
    let said = format(&fs, DYNAMIC, &["-s", "-g"]).unwrap();
    assert_eq!(said, ["All of the log directories are already formatted."]);
}

#[test]
fn dirs_of_others_are_refused_in_kafkas_words() {
    for (a, b, expected) in [
        (
            A.replace("MkU3", "XXXX"),
            "",
            "Invalid cluster.id in: /d/a/meta.properties. Expected MkU3OEVBNTcwNTJENDM2Qg, but read XXXXOEVBNTcwNTJENDM2Qg",
        ),
        (
            A.replace("node.id=1", "node.id=7"),
            "",
            "Stored node id 7 doesn't match previous node id 1 in /d/a/meta.properties. If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should remove all data in your data directories.",
        ),
        (
            A.replace("2IR9AI9GQJ2_7IXNExIb3A", "AAAAAAAAAAAAAAAAAAAABQ"),
            "",
            "Invalid reserved directory ID AAAAAAAAAAAAAAAAAAAABQ found in /d/a",
        ),
        (
            A.to_owned(),
            A,
            "Duplicate directory ID 2IR9AI9GQJ2_7IXNExIb3A found. It was the ID of /d/a, but also of /d/b",
        ),
        ("version=9".to_owned(), "version=9", "No available log directories to format."),
        ("version=1\nnode.id=1\n".to_owned(), "version=1\ncluster.id=x\n", "No available log directories to format."),
    ] {
        let fs = SimFs::new();
        fs.put(Path::new("/d/a/meta.properties"), a.as_bytes());
        if !b.is_empty() {
            fs.put(Path::new("/d/b/meta.properties"), b.as_bytes());
        }
        assert_eq!(format(&fs, DYNAMIC, &["-s", "-g"]).unwrap_err(), expected);
    }
}

#[test]
fn a_dir_that_cannot_be_read_does_not_keep_others_from_being_formatted() {
    let fs = SimFs::new();
    fs.put(Path::new("/d/a/meta.properties"), b"version=9");
    let said = format(&fs, DYNAMIC, &["-s"]).unwrap();
    assert_eq!(said[0], "I/O error trying to read log directory /d/a. Ignoring...");
    assert_eq!(said[2..], ["Formatting data directory /d/b with metadata.version 4.3-IV0."]);
}

#[test]
fn a_format_that_a_power_cut_broke_can_be_done_again() {
    for calls in 0.. {
        let fs = SimFs::new();
        let mut left = calls;
        fs.inject(move |_, _| {
            left -= 1;
            (left < 0).then_some(sim::Fault::Error(std::io::ErrorKind::Other))
        });
        let done = format(&fs, DYNAMIC, &["-s"]).is_ok();
        fs.heal();
        fs.power_cut(|_, _| 0);
        format(&fs, DYNAMIC, &["-s", "-g"]).unwrap();
        for dir in ["/d/a", "/d/b"] {
            assert!(checkpoint_file::read(&fs, &file(dir, BOOTSTRAP_FILE)).unwrap().is_some(), "after {calls} calls");
        }
        let id = voters(&fs, "/d/a").unwrap().voters[0].voter_directory_id;
        assert_eq!(Some(id), properties(&fs, "/d/a").unwrap().directory_id, "after {calls} calls");
        if done {
            return;
        }
    }
}
