//! Opens files, folders and listings until that is refused, keeps them, and tries each once more.

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

use crate::act::{Act, QUIET, verdict};

pub(crate) const ACT: Act = Act {
    handle: |_, ctx| {
        let (folder, _) = get_directories().into_iter().find(|(_, path)| path == "/shared").expect("it is granted");
        let name = format!("large/{:0200}", 0);
        let open = |path: &str, flags| folder.open_at(PathFlags::empty(), path, flags, DescriptorFlags::READ);
        let file = || open(&name, OpenFlags::empty());
        let folder_below = || open("large", OpenFlags::DIRECTORY);
        let (mut opened, mut listings) = (Vec::new(), Vec::new());
        let refused = (0..).find_map(|n: u32| match n % 3 {
            0 => file().map(|file| opened.push(file)).err(),
            1 => folder_below().map(|folder| opened.push(folder)).err(),
            _ => folder.read_directory().map(|listing| listings.push(listing)).err(),
        });
        let once_more = [refused, file().err(), folder_below().err(), folder.read_directory().err()];
        let all = once_more.into_iter().all(|error| error == Some(ErrorCode::InsufficientMemory));
        verdict(ctx, all && opened.len() > 2 && listings.len() > 1)
    },
    ..QUIET
};
