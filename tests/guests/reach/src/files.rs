//! Files and folders, through `std::fs`; symbolic links through WASI, since `std` does not make them.

use std::fs;
use std::io::{self, Write};

/// Files that are kept open.
pub(crate) type Kept = Vec<fs::File>;

/// `ENOSPC` and `EIO` of WASI. For a write that fails `std` on this target says the second, whatever the host says.
const NO_SPACE: i32 = 51;
const IO: i32 = 29;

pub(crate) fn act(kept: &mut Kept, verb: &str, rest: &str) -> Result<String, String> {
    let (path, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let done = |done: io::Result<()>| done.map(|()| "done".to_owned());
    let mut options = fs::OpenOptions::new();
    let acted = match verb {
        "read" => fs::read_to_string(path),
        "list" => list(path),
        "write" => done(fs::write(path, more)),
        "truncate" => done(fs::OpenOptions::new().write(true).truncate(true).open(path).map(drop)),
        "append" => done(options.append(true).open(path).and_then(|mut file| file.write_all(more.as_bytes()))),
        "resize" => {
            done(options.write(true).open(path).and_then(|file| file.set_len(more.parse().unwrap_or_default())))
        }
        "keep" => done(fs::File::open(path).map(|file| kept.push(file))),
        "close" => {
            kept.clear();
            Ok("done".to_owned())
        }
        "make" => done(fs::create_dir(path)),
        "make-many" => Ok(make_many(path)),
        "remove" => done(fs::remove_file(path)),
        "remove-folder" => done(fs::remove_dir(path)),
        "rename" => done(fs::rename(path, more)),
        "link" => done(fs::hard_link(path, more)),
        "symlink" => return symlink(path, more),
        "stream" => return stream(path, more),
        _ => return Err(format!("unknown verb {verb}")),
    };
    acted.map_err(|error| match error.raw_os_error() {
        Some(NO_SPACE) => "no storage space".to_owned(),
        Some(IO) => "input or output".to_owned(),
        _ => error.kind().to_string(),
    })
}

/// Makes empty files until that fails, and says how many there are.
fn make_many(path: &str) -> String {
    let made = (0..u64::MAX).find(|n| fs::write(format!("{path}/{n}"), "").is_err());
    made.expect("some disk is full first").to_string()
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

/// Writes through WASI, which says why it fails.
fn stream(path: &str, text: &str) -> Result<String, String> {
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags, filesystem_error_code};
    use wasip2::io::streams::StreamError;
    let folders = wasip2::filesystem::preopens::get_directories();
    let (folder, _) = folders.first().ok_or("no folder")?;
    let file = folder.open_at(PathFlags::empty(), path, OpenFlags::CREATE, DescriptorFlags::WRITE);
    let file = file.map_err(|error| error.name().to_owned())?;
    let stream = file.append_via_stream().map_err(|error| error.name().to_owned())?;
    for piece in text.as_bytes().chunks(4096) {
        match stream.blocking_write_and_flush(piece) {
            Ok(()) => {}
            Err(StreamError::Closed) => return Err("closed".to_owned()),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(filesystem_error_code(&error).map_or("unknown", |code| code.name()).to_owned());
            }
        }
    }
    Ok("done".to_owned())
}
