//! Files and folders, through `std::fs`; symbolic links through WASI, since `std` does not make them.

use std::fs;
use std::io;

pub(crate) fn act(verb: &str, rest: &str) -> Result<String, String> {
    let (path, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let done = |done: io::Result<()>| done.map(|()| "done".to_owned());
    let acted = match verb {
        "read" => fs::read_to_string(path),
        "list" => list(path),
        "write" => done(fs::write(path, more)),
        "truncate" => done(fs::OpenOptions::new().write(true).truncate(true).open(path).map(drop)),
        "make" => done(fs::create_dir(path)),
        "remove" => done(fs::remove_file(path)),
        "rename" => done(fs::rename(path, more)),
        "link" => done(fs::hard_link(path, more)),
        "symlink" => return symlink(path, more),
        _ => return Err(format!("unknown verb {verb}")),
    };
    acted.map_err(|error| error.kind().to_string())
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

fn symlink(target: &str, path: &str) -> Result<String, String> {
    let folders = wasip2::filesystem::preopens::get_directories();
    let (folder, _) = folders.first().ok_or("no folder")?;
    folder.symlink_at(target, path).map(|()| "done".to_owned()).map_err(|error| error.name().to_owned())
}
