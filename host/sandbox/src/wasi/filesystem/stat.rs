//! The metadata of a file or a folder, in WASI's types.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use cap_primitives::fs::{FileTypeExt, Metadata, MetadataExt, SystemTimeSpec};
use cap_primitives::time::SystemTime as CapTime;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp,
};

pub(super) fn stat_of(metadata: &Metadata) -> DescriptorStat {
    DescriptorStat {
        type_: type_of(metadata),
        link_count: metadata.nlink(),
        size: metadata.len(),
        data_access_timestamp: metadata.accessed().ok().and_then(datetime),
        data_modification_timestamp: metadata.modified().ok().and_then(datetime),
        status_change_timestamp: metadata.created().ok().and_then(datetime),
    }
}

pub(super) fn type_of(metadata: &Metadata) -> DescriptorType {
    let kind = metadata.file_type();
    if kind.is_dir() {
        DescriptorType::Directory
    } else if kind.is_symlink() {
        DescriptorType::SymbolicLink
    } else if kind.is_file() {
        DescriptorType::RegularFile
    } else if kind.is_fifo() {
        DescriptorType::Fifo
    } else if kind.is_socket() {
        DescriptorType::Socket
    } else if kind.is_block_device() {
        DescriptorType::BlockDevice
    } else if kind.is_char_device() {
        DescriptorType::CharacterDevice
    } else {
        DescriptorType::Unknown
    }
}

/// The time in WASI's type; none for a time before 1970.
fn datetime(time: CapTime) -> Option<Datetime> {
    let since = time.into_std().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
}

/// Tells files apart, by device and inode.
pub(super) fn hash_of(metadata: &Metadata) -> MetadataHashValue {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, metadata.dev(), metadata.ino()).hash(&mut hasher);
        hasher.finish()
    };
    MetadataHashValue { lower: half(0), upper: half(1) }
}

/// The time to set; none to keep the present one.
pub(super) fn new_time(time: NewTimestamp) -> Result<Option<SystemTime>, ErrorCode> {
    match time {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(SystemTime::now())),
        NewTimestamp::Timestamp(Datetime { seconds, nanoseconds }) => {
            // A sum beyond what a duration holds would panic.
            let whole = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds.into()));
            let time = whole.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
            Ok(Some(time.ok_or(ErrorCode::Overflow)?))
        }
    }
}

pub(super) fn time_spec(time: Option<SystemTime>) -> Option<SystemTimeSpec> {
    time.map(|time| SystemTimeSpec::Absolute(CapTime::from_std(time)))
}
