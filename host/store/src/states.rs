//! Changes of actors' states in a store without a host.

use std::path::Path;

use playhouse_kernel::{Address, JournalEntry, JournalGroup, Op, StateChange, StoreError, check_key};

use crate::folder::DATABASE;
use crate::settings::StoreSettings;
use crate::writer::Writer;

/// Changes keys of an actor's state in one step. No host may run on the store. The bounds of the manifest are not known here, and do
/// not hold.
pub fn change_state(path: &Path, actor: &Address, changes: &[StateChange]) -> Result<(), StoreError> {
    if !path.join(DATABASE).exists() {
        return Err(StoreError::Failed(format!("there is no store in `{}`", path.display())));
    }
    let (mut writer, image) = Writer::open(&StoreSettings::new(path))?;
    let known = image.actors.iter().find(|known| known.address == *actor);
    let unknown = || StoreError::Failed(format!("the store in `{}` has no actor `{actor}`", path.display()));
    let actor = known.ok_or_else(unknown)?.id;
    let (mut ops, mut bytes) = (Vec::new(), Vec::new());
    let mut append = |part: &[u8]| {
        let from = bytes.len();
        bytes.extend_from_slice(part);
        from..bytes.len()
    };
    for (key, value) in changes {
        check_key(key).map_err(|error| StoreError::Failed(error.to_string()))?;
        let key = append(key.as_bytes());
        ops.push(match value {
            Some(value) => Op::Set { actor, key, value: append(value) },
            None => Op::Unset { actor, key },
        });
    }
    if ops.is_empty() {
        return Ok(());
    }
    let entry = JournalEntry { actor: None, ops, bytes };
    writer.write(&JournalGroup { boot: image.boots, first: image.last + 1, entries: vec![entry] })
}
