//! Compiled code on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use expect_test::expect;
use playhouse_sandbox::{Compiled, Sandbox, SandboxConfig, SandboxError};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::template::{ECHO, actor};

fn sandbox(cache: &Path) -> Result<Sandbox, SandboxError> {
    sandbox_with(cache, &key_folder(cache))
}

/// A folder beside the cache.
fn key_folder(cache: &Path) -> PathBuf {
    let mut name = cache.as_os_str().to_owned();
    name.push("-key");
    name.into()
}

fn sandbox_with(cache: &Path, key: &Path) -> Result<Sandbox, SandboxError> {
    let (cache_dir, key_dir) = (Some(cache.to_owned()), Some(key.to_owned()));
    Sandbox::new(SandboxConfig { cache_dir, key_dir, max_instances: 2, ..SandboxConfig::default() })
}

/// Loads the same plugin, always in a new sandbox.
fn load(cache: &Path) -> Compiled {
    let plugin = sandbox(cache).unwrap().load_bytes("echo", &actor(ECHO)).unwrap();
    plugin.info().compiled.clone()
}

/// The reason why an entry with a wrong seal is not used.
const SEAL: &str = "it is damaged, or was not written with this user's key";

fn only_entry(cache: &Path) -> PathBuf {
    let entries: Vec<_> = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    entry.clone()
}

#[test]
fn code_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("made/here");
    assert!(matches!(load(&cache), Compiled::Fresh(_)));
    assert_eq!(load(&cache), Compiled::FromCache);
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(only_entry(&cache)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn damaged_entry_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    load(&cache);
    let entry = only_entry(&cache);
    let good = fs::read(&entry).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (damaged, reason) in [
        (flipped, SEAL),
        (good[..good.len() / 2].to_vec(), SEAL),
        (Vec::new(), "it is cut short"),
        (vec![0; 100], "it is not an entry of this cache"),
    ] {
        fs::write(&entry, damaged).unwrap();
        let Compiled::Rebuilt { why, .. } = load(&cache) else { panic!("it must be rebuilt") };
        assert_eq!(why, reason);
        assert_eq!(load(&cache), Compiled::FromCache);
    }
}

#[test]
fn entry_does_not_pass_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let first = sandbox(&cache).unwrap();
    first.load_bytes("echo", &actor(ECHO)).unwrap();
    let entry = only_entry(&cache);
    let kept = fs::read(&entry).unwrap();
    fs::remove_file(&entry).unwrap();
    let other = actor(&format!("{ECHO} (func $other)"));
    first.load_bytes("other", &other).unwrap();
    fs::write(only_entry(&cache), kept).unwrap();
    let plugin = first.load_bytes("other", &other).unwrap();
    assert!(matches!(&plugin.info().compiled, Compiled::Rebuilt { why, .. } if why == SEAL));
}

#[test]
fn cache_folder_writable_by_others_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = sandbox(folder.path()).err().expect("it must be refused").to_string();
    expect![[r#"the cache folder `FOLDER` can be written by others than its owner (its mode is 0777): another user may have put code there. Run `chmod 700` on it as its owner, remove it, or set another one"#]].assert_eq(&error.replace(folder.path().to_str().unwrap(), "FOLDER"));
}

#[test]
fn a_cache_folder_of_another_user_is_refused() {
    let own = tempfile::tempdir().unwrap();
    let me = rustix::process::geteuid().as_raw();
    // Root can change the owner of a folder; for other users, a folder of root is used.
    let (folder, owner) = if me == 0 { (own.path(), 65534) } else { (Path::new("/usr"), 0) };
    if me == 0 {
        std::os::unix::fs::chown(folder, Some(owner), None).unwrap();
    }
    let error = sandbox(folder).err().expect("it must be refused").to_string();
    assert!(error.contains(&format!("belongs to user {owner}, and this process runs as user {me}")), "{error}");
}

#[test]
fn entry_that_is_a_link_or_pipe_or_shared_is_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    load(&cache);
    let entry = only_entry(&cache);
    let kept = folder.path().join("kept");
    fs::rename(&entry, &kept).unwrap();
    let rebuilt = |reason: &str| {
        let Compiled::Rebuilt { why, .. } = load(&cache) else { panic!("it must be rebuilt") };
        assert!(why.contains(reason), "{why}");
        // The new entry is a regular file.
        assert!(fs::symlink_metadata(&entry).unwrap().is_file());
        fs::remove_file(&entry).unwrap();
    };
    std::os::unix::fs::symlink(&kept, &entry).unwrap();
    rebuilt("it is a link");
    assert!(kept.exists());
    mknodat(CWD, &entry, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    rebuilt("it is not a regular file");
    fs::copy(&kept, &entry).unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    rebuilt("it can be written by others than its owner (its mode is");
}

#[test]
fn folder_in_the_place_of_the_checked_one_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let sandbox = sandbox(&cache).unwrap();
    fs::rename(&cache, folder.path().join("moved")).unwrap();
    fs::create_dir(&cache).unwrap();
    sandbox.load_bytes("echo", &actor(ECHO)).unwrap();
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    assert!(only_entry(&folder.path().join("moved")).exists());
}

#[test]
fn sandbox_works_without_a_cache_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(matches!(load(&folder.path().join("file/cache")), Compiled::Fresh(_)));
}

#[test]
fn entry_sealed_with_another_key_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    assert!(matches!(load(&cache), Compiled::Fresh(_)));
    fs::remove_dir_all(key_folder(&cache)).unwrap();
    let Compiled::Rebuilt { why, .. } = load(&cache) else { panic!("it must be rebuilt") };
    assert_eq!(why, SEAL);
    assert_eq!(load(&cache), Compiled::FromCache);
}

#[test]
fn key_is_made_once_and_readable_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, key) = (folder.path().join("cache"), folder.path().join("made/here"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| sandbox_with(&cache, &key).unwrap());
        }
    });
    let file = only_entry(&key);
    assert_eq!(fs::read(&file).unwrap().len(), 32);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn key_that_others_may_know_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    load(&cache);
    let file = only_entry(&key_folder(&cache));
    let refused = |problem: &str| {
        let said = sandbox(&cache).err().expect("it must be refused").to_string();
        assert!(said.contains(problem), "{said}");
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    refused("can be read by others than its owner (its mode is 0640)");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "short").unwrap();
    refused("does not have 32 bytes");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    refused("is a link");
    fs::remove_file(&file).unwrap();
    fs::set_permissions(key_folder(&cache), fs::Permissions::from_mode(0o770)).unwrap();
    refused("can be written by others than its owner (its mode is 0770)");
}

#[test]
fn without_a_folder_for_the_key_nothing_is_cached() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let cache = folder.path().join("cache");
    let key_dirs = [None, Some(folder.path().join("file/key"))];
    for key_dir in key_dirs {
        let config =
            SandboxConfig { cache_dir: Some(cache.clone()), key_dir, max_instances: 2, ..SandboxConfig::default() };
        let plugin = Sandbox::new(config).unwrap().load_bytes("echo", &actor(ECHO)).unwrap();
        assert!(matches!(plugin.info().compiled, Compiled::Fresh(_)));
    }
    assert_eq!(fs::read_dir(&cache).map_or(0, Iterator::count), 0);
}
