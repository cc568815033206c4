//! `wasi:keyvalue`, the draft 0.2.0, mapped onto the actor's state: the bucket `""` is the actor's own, and there is no other. Changes are
//! effects of the message that the guest handles, as those of `playhouse:actor/state`.
//!
//! The functions do not say for which message of a batch they are called, so that a component with these imports gets its messages
//! one at a time.

use playhouse_kernel::{StateError, Turn};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, Lower, Resource, ResourceTable, ResourceType};

/// The beginning of the interfaces' names.
pub(crate) const PREFIX: &str = "wasi:keyvalue/";
const STORE: &str = "wasi:keyvalue/store@0.2.0-draft";
const ATOMICS: &str = "wasi:keyvalue/atomics@0.2.0-draft";
const BATCH: &str = "wasi:keyvalue/batch@0.2.0-draft";
/// Keys of one page of `list-keys`.
const PAGE: usize = 1000;

/// The data of a store whose guest has a state.
pub(crate) trait KeyValue: Send {
    /// The turn of the guest, and its resources.
    fn state(&mut self) -> (&mut Turn, &mut ResourceTable);
}

/// The resource `bucket`: the actor's state, with the last page of its keys that the guest got.
pub(crate) struct Bucket {
    /// The cursor for the next page, and the last key of the page before it.
    page: (u64, String),
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[allow(dead_code)] // a store that does not exist is not told from one that is not granted
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        match error {
            StateError::NotGranted { .. } => Self::AccessDenied,
            error => Self::Other(error.to_string()),
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct KeyResponse {
    keys: Vec<String>,
    cursor: Option<u64>,
}

type Caller<'a, T> = StoreContextMut<'a, T>;
type Pairs = Vec<(String, Vec<u8>)>;
type Handle = Resource<Bucket>;
type SetParams = (Handle, String, Vec<u8>);
type ListParams = (Handle, Option<u64>);

/// Adds the interfaces to `linker`.
pub(crate) fn add_to<T: KeyValue + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    add_store_to(linker)?;
    add_atomics_to(linker)?;
    add_batch_to(linker)
}

fn add_store_to<T: KeyValue + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut store = linker.instance(STORE)?;
    store.resource("bucket", ResourceType::host::<Bucket>(), |mut store: Caller<'_, T>, bucket| {
        store.data_mut().state().1.delete(Handle::new_own(bucket))?;
        Ok(())
    })?;
    store.func_wrap("open", |mut store: Caller<'_, T>, (identifier,): (String,)| {
        let (turn, resources) = store.data_mut().state();
        if !identifier.is_empty() || turn.state_limits().is_err() {
            return Ok((Err(Error::AccessDenied),));
        }
        Ok((Ok(resources.push(Bucket { page: (0, String::new()) })?),))
    })?;
    store.func_wrap_async("[method]bucket.get", |mut store: Caller<'_, T>, (bucket, key): (Handle, String)| {
        Box::new(async move {
            let value = turn_of(&mut store, &bucket)?.state_value(&key).await;
            Ok((value.map_err(Error::from),))
        })
    })?;
    store.func_wrap_async("[method]bucket.exists", |mut store: Caller<'_, T>, (bucket, key): (Handle, String)| {
        Box::new(async move {
            let value = turn_of(&mut store, &bucket)?.state_value(&key).await;
            Ok((value.map(|value| value.is_some()).map_err(Error::from),))
        })
    })?;
    store.func_wrap_async("[method]bucket.set", |mut store: Caller<'_, T>, (bucket, key, value): SetParams| {
        Box::new(async move {
            let turn = turn_of(&mut store, &bucket)?;
            let set = turn.set_state(&key, &value).await;
            turn.within_limits()?;
            Ok((set.map_err(Error::from),))
        })
    })?;
    store.func_wrap("[method]bucket.delete", |mut store: Caller<'_, T>, (bucket, key): (Handle, String)| {
        let turn = turn_of(&mut store, &bucket)?;
        let deleted = turn.delete_state(&key);
        turn.within_limits()?;
        Ok((deleted.map_err(Error::from),))
    })?;
    store.func_wrap_async("[method]bucket.list-keys", |mut store: Caller<'_, T>, (bucket, cursor): ListParams| {
        Box::new(async move { Ok((list_keys(&mut store, &bucket, cursor).await?,)) })
    })
}

/// The next page of keys. Only the cursor of the last page is known: each open bucket has one.
async fn list_keys<T: KeyValue>(
    store: &mut Caller<'_, T>,
    bucket: &Handle,
    cursor: Option<u64>,
) -> wasmtime::Result<Result<KeyResponse, Error>> {
    let (turn, resources) = store.data_mut().state();
    let page = &mut resources.get_mut(bucket)?.page;
    let after = match cursor {
        None => None,
        Some(cursor) if cursor == page.0 && cursor > 0 => Some(page.1.as_str()),
        Some(_) => return Ok(Err(Error::Other("not the cursor of the last list of keys of this bucket".to_owned()))),
    };
    let keys = match turn.state_keys("", after, PAGE).await {
        Ok(keys) => keys,
        Err(error) => return Ok(Err(error.into())),
    };
    let cursor = keys.last().filter(|_| keys.len() == PAGE).map(|last| {
        *page = (page.0 + 1, last.clone());
        page.0
    });
    Ok(Ok(KeyResponse { keys, cursor }))
}

fn add_atomics_to<T: KeyValue + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    type Params = (Handle, String, u64);
    let mut atomics = linker.instance(ATOMICS)?;
    atomics.func_wrap_async("increment", |mut store: Caller<'_, T>, (bucket, key, delta): Params| {
        Box::new(async move {
            let turn = turn_of(&mut store, &bucket)?;
            let sum = increment(turn, &key, delta).await;
            turn.within_limits()?;
            Ok((sum,))
        })
    })
}

/// Adds to a number, which is kept as decimal text, as other hosts do.
async fn increment(turn: &mut Turn, key: &str, delta: u64) -> Result<u64, Error> {
    let before = match turn.state_value(key).await? {
        None => 0,
        Some(value) => std::str::from_utf8(&value)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::Other("the value is no decimal number".to_owned()))?,
    };
    let sum = u64::checked_add(before, delta).ok_or_else(|| Error::Other("the sum is too large".to_owned()))?;
    turn.set_state(key, sum.to_string().as_bytes()).await?;
    Ok(sum)
}

fn add_batch_to<T: KeyValue + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut batch = linker.instance(BATCH)?;
    batch.func_wrap_async("get-many", |mut store: Caller<'_, T>, (bucket, keys): (Handle, Vec<String>)| {
        Box::new(async move {
            let turn = turn_of(&mut store, &bucket)?;
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                match turn.state_value(&key).await {
                    Ok(value) => values.push(value.map(|value| (key, value))),
                    Err(error) => return Ok((Err(Error::from(error)),)),
                }
            }
            Ok((Ok(values),))
        })
    })?;
    batch.func_wrap_async("set-many", |mut store: Caller<'_, T>, (bucket, pairs): (Handle, Pairs)| {
        Box::new(async move {
            let turn = turn_of(&mut store, &bucket)?;
            for (key, value) in pairs {
                if let Err(error) = turn.set_state(&key, &value).await {
                    turn.within_limits()?;
                    return Ok((Err(Error::from(error)),));
                }
            }
            Ok((Ok(()),))
        })
    })?;
    batch.func_wrap("delete-many", |mut store: Caller<'_, T>, (bucket, keys): (Handle, Vec<String>)| {
        let turn = turn_of(&mut store, &bucket)?;
        for key in keys {
            if let Err(error) = turn.delete_state(&key) {
                turn.within_limits()?;
                return Ok((Err(Error::from(error)),));
            }
        }
        Ok((Ok(()),))
    })
}

/// The turn of the guest, if the bucket is one of its own.
fn turn_of<'a, T: KeyValue>(store: &'a mut Caller<'_, T>, bucket: &Handle) -> wasmtime::Result<&'a mut Turn> {
    let (turn, resources) = store.data_mut().state();
    resources.get(bucket)?;
    Ok(turn)
}
