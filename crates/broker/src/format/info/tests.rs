//! What `kafka-storage info` of Apache Kafka 4.3.1 prints of the same dirs.

use super::*;
use ottla_storage::fs::SimFs;

const A: &str = "version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nnode.id=1\ndirectory.id=2IR9AI9GQJ2_7IXNExIb3A\n";
const METADATA: &str = "Found metadata: {cluster.id=MkU3OEVBNTcwNTJENDM2Qg, directory.id=2IR9AI9GQJ2_7IXNExIb3A, node.id=1, version=1}\n\n";
const BOTH: &str = "Found log directories:\n  /w/a\n  /w/b\n\n";

fn check(a: Option<&str>, b: Option<&str>, expected: &str) {
    let fs = SimFs::new();
    for (dir, content) in [("/w/a", a), ("/w/b", b)] {
        if let Some(content) = content {
            fs.create_dir_all(Path::new(dir)).unwrap();
            if !content.is_empty() {
                fs.put(&Path::new(dir).join("meta.properties"), content.as_bytes());
            }
        }
    }
    let report = Report::of(&fs, &["/w/a", "/w/b"].map(str::to_owned).into());
    assert_eq!(report.text(), expected);
}

#[test]
fn dirs_are_told_as_kafka_tells_them() {
    let other = A.replace("2IR9", "3IR9");
    check(None, None, "Found problems:\n  /w/a does not exist\n  /w/b does not exist\n\n");
    check(Some(A), Some(&other), &format!("{BOTH}{METADATA}"));
    let missing = format!("Found log directory:\n  /w/a\n\n{METADATA}Found problem:\n  /w/b does not exist\n\n");
    check(Some(A), None, &missing);
    check(Some(A), Some(""), &format!("{BOTH}{METADATA}Found problem:\n  /w/b is not formatted.\n\n"));
    let problem = "Found problem:\n  Mismatched cluster IDs between storage directories.\n\n";
    check(Some(A), Some(&other.replace("MkU3", "xxxx")), &format!("{BOTH}{METADATA}{problem}"));
    let problem = "Found problem:\n  Mismatched node IDs between storage directories.\n\n";
    check(Some(A), Some(&other.replace("node.id=1", "node.id=9")), &format!("{BOTH}{METADATA}{problem}"));
    let problem = "Found problem:\n  Error loading /w/b/meta.properties: cluster.id was not found.\n\n";
    check(Some(A), Some("version=1\nnode.id=1\n"), &format!("{BOTH}{METADATA}{problem}"));
}

#[test]
fn a_file_is_no_directory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a").display().to_string();
    std::fs::write(&path, "x").unwrap();
    let report = Report::of(&RealFs::default(), &[path.clone()].into());
    assert_eq!(report.text(), format!("Found problem:\n  {path} is not a directory\n\n"));
}
