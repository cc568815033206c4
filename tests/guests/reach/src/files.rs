//! Files and folders, through `std::fs`; symbolic links through WASI, since `std` does not make them.

use std::fs;
use std::io::{self, Write};

/// The files that are kept open.
pub(crate) type Kept = Vec<fs::File>;

/// `ENOSPC` and `EIO` of WASI. For each failed write `std` on this target returns the second, for any error of the host.
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
        "keep-many" => Ok(keep_many(kept, path)),
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
        "touch" => return touch(path),
        "write-at-once" => return write_at_once(path, more),
        "long" => return long(path),
        "stream-at" => return stream_at(path, more),
        "stream" => return stream(path, more),
        _ => return Err(format!("unknown verb {verb}")),
    };
    acted.map_err(|error| match error.raw_os_error() {
        Some(NO_SPACE) => "no storage space".to_owned(),
        Some(IO) => "input or output".to_owned(),
        _ => error.kind().to_string(),
    })
}

/// Makes empty files until that fails, and returns their number.
fn make_many(path: &str) -> String {
    let made = (0..u64::MAX).find(|n| fs::write(format!("{path}/{n}"), "").is_err());
    made.expect("the disk is full before the numbers end").to_string()
}

/// Opens a file until that fails, and returns the number of successful opens.
fn keep_many(kept: &mut Kept, path: &str) -> String {
    let before = kept.len();
    while let Ok(file) = fs::File::open(path) {
        kept.push(file);
    }
    (kept.len() - before).to_string()
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

/// Sets the times of the name itself, and of the file that it leads to.
fn touch(path: &str) -> Result<String, String> {
    use wasip2::filesystem::types::{NewTimestamp, PathFlags};
    let folders = wasip2::filesystem::preopens::get_directories();
    let (folder, _) = folders.first().ok_or("no folder")?;
    let times = |flags| folder.set_times_at(flags, path, NewTimestamp::Now, NewTimestamp::Now);
    times(PathFlags::empty()).map_err(|error| format!("{} of the name itself", error.name()))?;
    times(PathFlags::SYMLINK_FOLLOW).map(|()| "done".to_owned()).map_err(|error| error.name().to_owned())
}

/// Writes a number of bytes in one call, and returns the number of bytes accepted.
fn write_at_once(path: &str, bytes: &str) -> Result<String, String> {
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
    let folders = wasip2::filesystem::preopens::get_directories();
    let (folder, _) = folders.first().ok_or("no folder")?;
    let file = folder.open_at(PathFlags::empty(), path, OpenFlags::CREATE, DescriptorFlags::WRITE);
    let bytes = vec![b'x'; bytes.parse().unwrap_or_default()];
    let written = file.and_then(|file| file.write(&bytes, 0));
    written.map(|written| written.to_string()).map_err(|error| error.name().to_owned())
}

/// Passes a path with a huge number of parts to each call that takes a path, and returns the errors.
fn long(part: &str) -> Result<String, String> {
    use wasip2::filesystem::types::{DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags};
    let folders = wasip2::filesystem::preopens::get_directories();
    let (folder, _) = folders.first().ok_or("no folder")?;
    let long = part.repeat(1 << 20);
    let (here, now) = (PathFlags::empty(), NewTimestamp::Now);
    let done: [Result<(), ErrorCode>; 13] = [
        folder.stat_at(here, &long).map(drop),
        folder.metadata_hash_at(here, &long).map(drop),
        folder.open_at(here, &long, OpenFlags::empty(), DescriptorFlags::READ).map(drop),
        folder.set_times_at(here, &long, now, now),
        folder.readlink_at(&long).map(drop),
        folder.create_directory_at(&long),
        folder.remove_directory_at(&long),
        folder.unlink_file_at(&long),
        folder.rename_at(&long, folder, "x"),
        folder.rename_at("file", folder, &long),
        folder.link_at(here, &long, folder, "x"),
        folder.symlink_at(&long, "x"),
        folder.symlink_at("file", &long),
    ];
    let said = done.map(|done| done.err().map_or("done", |error| error.name()).to_owned());
    let mut said = said.to_vec();
    said.dedup();
    Ok(said.join(" "))
}

/// Writes through WASI, whose error has the exact cause.
fn stream(path: &str, text: &str) -> Result<String, String> {
    write_pieces(path, None, text)
}

/// Writes a few bytes at an offset.
fn stream_at(path: &str, offset: &str) -> Result<String, String> {
    write_pieces(path, Some(offset.parse().map_err(|_| "no offset")?), "text")
}

fn write_pieces(path: &str, offset: Option<u64>, text: &str) -> Result<String, String> {
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags, filesystem_error_code};
    use wasip2::io::streams::StreamError;
    let folders = wasip2::filesystem::preopens::get_directories();
    let (folder, _) = folders.first().ok_or("no folder")?;
    let file = folder.open_at(PathFlags::empty(), path, OpenFlags::CREATE, DescriptorFlags::WRITE);
    let file = file.map_err(|error| error.name().to_owned())?;
    let stream = match offset {
        None => file.append_via_stream(),
        Some(offset) => file.write_via_stream(offset),
    };
    let stream = stream.map_err(|error| error.name().to_owned())?;
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
