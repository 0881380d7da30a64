//! What becomes of log dirs at a start.

use super::*;
use crate::metadata_log;
use ottla_config::Sources;
use ottla_protocol::Uuid;
use ottla_storage::fs::{Fs, SimFs};
use std::{path::Path, sync::Arc};

const ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

fn open(fs: &SimFs, names: &[&str]) -> Vec<LogDir> {
    let fs: Arc<dyn Fs> = Arc::new(fs.clone());
    names.iter().map(|name| LogDir::open(&Path::new("/d").join(name), fs.clone()).unwrap()).collect()
}

const CONTROLLER: &str = "listeners=PLAINTEXT://:9092,CONTROLLER://here:9093\ncontroller.listener.names=CONTROLLER\n\
    controller.quorum.bootstrap.servers=here:9093\n";

fn ensure_with(fs: &SimFs, names: &[&str], node_id: i32, id: Option<&str>, lines: &str) -> Result<String, String> {
    let dirs: Vec<String> = names.iter().map(|name| format!("/d/{name}")).collect();
    let roles = "process.roles=broker,controller";
    let text = format!("{roles}\nnode.id={node_id}\nlog.dirs={}\n{lines}", dirs.join(","));
    let config = Sources::from_file("test", text.as_bytes()).unwrap().load().unwrap().config;
    ensure_formatted(&mut open(fs, names), &config, id).map_err(|error| error.to_string())
}

fn ensure(fs: &SimFs, names: &[&str], node_id: i32, cluster_id: Option<&str>) -> Result<String, String> {
    ensure_with(fs, names, node_id, cluster_id, CONTROLLER)
}

fn ids(fs: &SimFs, names: &[&str]) -> Vec<Option<Uuid>> {
    open(fs, names).iter().map(LogDir::directory_id).collect()
}

fn has_bootstrap(fs: &SimFs, name: &str) -> bool {
    fs.exists(&Path::new("/d").join(name).join(BOOTSTRAP_FILE)).unwrap()
}

#[test]
fn new_dirs_become_those_of_one_node_of_a_new_cluster() {
    let fs = SimFs::new();
    let id = ensure(&fs, &["a", "b"], 1, None).unwrap();
    assert_eq!(id.parse::<Uuid>().unwrap().to_string(), id);
    let dirs = ids(&fs, &["a", "b"]);
    assert!(dirs[0].is_some() && dirs[1].is_some() && dirs[0] != dirs[1]);
    let bootstrap = checkpoint_file::read(&fs, Path::new("/d/a/bootstrap.checkpoint")).unwrap().unwrap();
    assert_eq!(bootstrap.records, default_bootstrap().unwrap());
    assert!(has_bootstrap(&fs, "b"));
    assert_eq!(ensure(&fs, &["a", "b"], 1, None), Ok(id));
    assert_eq!(ids(&fs, &["a", "b"]), dirs);
}

#[test]
fn a_new_controller_is_the_first_voter_unless_the_config_names_others() {
    let first = |fs: &SimFs| {
        let path = Path::new("/d/a").join(metadata_log::FOLDER).join(checkpoint_file::file_name(0, 0));
        checkpoint_file::read(fs, &path).unwrap()
    };
    let fs = SimFs::new();
    ensure(&fs, &["a", "b"], 7, None).unwrap();
    let snapshot = first(&fs).unwrap();
    let voters: Vec<_> = snapshot.voters.unwrap().voters;
    let [voter] = voters.as_slice() else { panic!("{voters:?}") };
    assert_eq!((voter.voter_id, Some(voter.voter_directory_id)), (7, ids(&fs, &["a"])[0]));
    assert_eq!((&*voter.endpoints[0].host, voter.endpoints[0].port, snapshot.kraft_version), ("here", 9093, 1));
    let fs = SimFs::new();
    let fixed = CONTROLLER.replace("bootstrap.servers=", "voters=7@");
    ensure_with(&fs, &["a"], 7, None, &fixed).unwrap();
    assert_eq!(first(&fs), None);
}

#[test]
fn the_given_cluster_is_that_of_new_dirs_and_must_be_that_of_old_ones() {
    let fs = SimFs::new();
    assert_eq!(ensure(&fs, &["a"], 1, Some(" MkU3OEVBNTcwNTJENDM2Qg ")), Ok(ID.to_owned()));
    assert_eq!(ensure(&fs, &["a"], 1, Some("")), Ok(ID.to_owned()));
    let expected = format!("Invalid cluster.id in: /d/a/meta.properties. Expected other, but read {ID}");
    assert_eq!(ensure(&fs, &["a"], 1, Some("other")), Err(expected));
}

#[test]
fn a_disk_that_may_not_be_mounted_is_not_formatted_over() {
    let fs = SimFs::new();
    ensure(&fs, &["a"], 1, Some(ID)).unwrap();
    for lines in [CONTROLLER.to_owned(), format!("{CONTROLLER}metadata.log.dir=/d/b\n")] {
        let refused = ensure_with(&fs, &["a", "b"], 1, None, &lines).unwrap_err();
        assert!(refused.starts_with("No `meta.properties` found in /d/b "), "{refused}");
        assert!(refused.contains(&format!("`ottla format -t {ID} -c FILE --ignore-formatted`")), "{refused}");
        assert!(ids(&fs, &["b"]) == [None] && !has_bootstrap(&fs, "b"));
    }
}

#[test]
fn a_dir_of_an_older_release_gets_its_id() {
    let fs = SimFs::new();
    fs.put(Path::new("/d/a/meta.properties"), format!("version=1\ncluster.id={ID}\nnode.id=1\n").as_bytes());
    assert_eq!(ensure(&fs, &["a"], 1, None), Ok(ID.to_owned()));
    assert!(ids(&fs, &["a"])[0].is_some());
    assert!(!has_bootstrap(&fs, "a"));
}

#[test]
fn dirs_that_do_not_belong_together_are_refused() {
    let fs = SimFs::new();
    ensure(&fs, &["a"], 1, Some(ID)).unwrap();
    ensure(&fs, &["other"], 1, Some("other")).unwrap();
    let error = ensure(&fs, &["a", "other"], 1, None).unwrap_err();
    assert_eq!(error, format!("Invalid cluster.id in: /d/other/meta.properties. Expected {ID}, but read other"));
    let error = ensure(&fs, &["a"], 2, None).unwrap_err();
    assert!(error.starts_with("Stored node id 1 doesn't match previous node id 2 in /d/a/meta.properties."), "{error}");
    let copy = fs.content(Path::new("/d/a/meta.properties")).unwrap();
    fs.put(Path::new("/d/copy/meta.properties"), &copy);
    let error = ensure(&fs, &["a", "copy"], 1, None).unwrap_err();
    assert!(error.starts_with("Duplicate directory ID "), "{error}");
}

#[test]
fn logs_of_nobody_knows_whom_are_not_formatted_over() {
    let fs = SimFs::new();
    fs.create_dir_all(Path::new("/d/a/topic-0")).unwrap();
    let error = ensure(&fs, &["a"], 1, None).unwrap_err();
    assert_eq!(error, "/d/a is not formatted, but holds logs such as /d/a/topic-0");
    assert_eq!(ids(&fs, &["a"]), [None]);
}
