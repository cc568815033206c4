//! Keeps more and more listings of a large folder open, each of which could hold all names.

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

use crate::act::{Act, QUIET};

pub(crate) const ACT: Act = Act {
    handle: |_, _| {
        let (folder, _) = get_directories().into_iter().find(|(_, path)| path == "/shared").expect("it is granted");
        let large = folder.open_at(PathFlags::empty(), "large", OpenFlags::DIRECTORY, DescriptorFlags::READ);
        let large = large.expect("it is there");
        let mut listings = Vec::new();
        loop {
            let listing = large.read_directory().expect("it is a folder");
            listing.read_directory_entry().expect("it can be read").expect("it is not empty");
            listings.push(listing);
        }
    },
    ..QUIET
};
