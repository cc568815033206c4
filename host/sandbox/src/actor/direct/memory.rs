//! The memory of a program, as the functions of the host read and write it: pointers come from the guest, and are not trusted.

use playhouse_kernel::{Config, Metadata};
use wasmtime::Caller;

use super::state::{Given, To};
use crate::actor::imports::ActorData;
use crate::contract::{Image, SendError, ToImage};
use crate::run::hostcall_bytes;

/// The memory of the program and the data of the store, during a call of the host.
pub(super) struct Host<'a> {
    pub(super) memory: &'a mut [u8],
    pub(super) data: &'a mut ActorData,
    /// Bytes that this call may still copy out of the memory.
    left: usize,
}

impl<'a> Host<'a> {
    /// For a function that a program imports.
    pub(super) fn called(caller: &'a mut Caller<'_, ActorData>) -> wasmtime::Result<Self> {
        let host = Self::of(caller)?;
        if !host.data.bridge.may_call {
            wasmtime::bail!("the guest called the host while it allocated or freed memory");
        }
        Ok(host)
    }

    /// For a function that the bridge alone calls.
    pub(super) fn of(caller: &'a mut Caller<'_, ActorData>) -> wasmtime::Result<Self> {
        let memory = caller.data().bridge.memory;
        let memory = memory.ok_or_else(|| wasmtime::format_err!("the program has no memory yet"))?;
        let (memory, data) = memory.data_and_store_mut(caller);
        let left = usize::try_from(hostcall_bytes(data.memory.limit_bytes())).unwrap_or(usize::MAX);
        Ok(Self { memory, data, left })
    }

    fn copied(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| wasmtime::format_err!("the fuel allocated for hostcalls is used up"))?;
        Ok(())
    }

    pub(super) fn owned_text(&mut self, at: i32, length: i32) -> wasmtime::Result<String> {
        let text = text(self.memory, at, length)?.to_owned();
        self.copied(text.len())?;
        Ok(text)
    }

    pub(super) fn owned_bytes(&mut self, at: i32, length: i32) -> wasmtime::Result<Vec<u8>> {
        let bytes = bytes(self.memory, at, length)?.to_vec();
        self.copied(bytes.len())?;
        Ok(bytes)
    }

    /// The pairs of a list, up to the first that is too much.
    pub(super) fn metadata(&mut self, at: i32, count: i32) -> wasmtime::Result<Result<Metadata, SendError>> {
        let mut metadata = Metadata::new();
        for pair in list(self.memory, at, count, 16)?.chunks_exact(16) {
            let (key, value) = texts(self.memory, pair)?;
            if let Err(error) = metadata.push(key, value) {
                return Ok(Err(SendError::BadMetadata(error.to_string())));
            }
        }
        Ok(Ok(metadata))
    }

    pub(super) fn config(&mut self, at: i32, count: i32) -> wasmtime::Result<Config> {
        let mut config = Config::new();
        let pairs = list(self.memory, at, count, 16)?.len() / 16;
        // Each pair costs the host more than the guest, even an empty one.
        self.copied(pairs * size_of::<(String, String)>())?;
        for index in 0..pairs {
            let start = at.cast_unsigned() as usize + index * 16;
            let mut pair = [0; 16];
            pair.copy_from_slice(&self.memory[start..start + 16]);
            let (key, value) = texts(self.memory, &pair)?;
            let (key, value) = (key.to_owned(), value.to_owned());
            self.copied(key.len() + value.len())?;
            config.insert(key, value);
        }
        Ok(config)
    }

    /// Gives a value to the program, into memory that it gave. Returns whether it has to allocate some first.
    pub(super) fn give<T: ToImage>(self, to: i32, value: T) -> wasmtime::Result<i32> {
        let (to, size) = (to.cast_unsigned(), T::SIZE);
        place(self.memory, to, size, T::ALIGN)?;
        let image = Image::over(self.memory[to as usize..to as usize + size].to_vec(), value);
        if image.next().is_some() {
            self.data.bridge.may_call = false;
            self.data.bridge.given = Some(Given { image, to: To::Memory(to) });
            return Ok(1);
        }
        self.memory[to as usize..to as usize + size].copy_from_slice(image.root_bytes());
        Ok(0)
    }

    /// As `give`, for a result without a value, which is mostly good.
    pub(super) fn give_done<E: ToImage>(self, to: i32, result: Result<(), E>) -> wasmtime::Result<i32> {
        match result {
            Ok(()) => {
                let at = to.cast_unsigned() as usize;
                place(self.memory, to.cast_unsigned(), Result::<(), E>::SIZE, Result::<(), E>::ALIGN)?;
                self.memory[at] = 0;
                Ok(0)
            }
            Err(_) => self.give(to, result),
        }
    }
}

/// Checks that a value of this size and alignment fits at a place that the program gave.
pub(super) fn place(memory: &[u8], at: u32, size: usize, align: usize) -> wasmtime::Result<()> {
    let at = at as usize;
    if !at.is_multiple_of(align) {
        wasmtime::bail!("the guest gave a pointer that is not aligned");
    }
    if at.checked_add(size).is_none_or(|end| end > memory.len()) {
        wasmtime::bail!("the guest gave a pointer out of the bounds of its memory");
    }
    Ok(())
}

/// Checks that lists are in the memory: their addresses, their lengths, and the sizes of their items. A component checks all arguments
/// before it reads any.
pub(super) fn in_bounds<const N: usize>(memory: &[u8], lists: [(i32, i32, usize); N]) -> wasmtime::Result<()> {
    for (at, count, size) in lists {
        if size == 1 {
            bytes(memory, at, count)?;
        } else {
            list(memory, at, count, size)?;
        }
    }
    Ok(())
}

pub(super) fn bytes(memory: &[u8], at: i32, length: i32) -> wasmtime::Result<&[u8]> {
    let (at, length) = (at.cast_unsigned() as usize, length.cast_unsigned() as usize);
    let end = at.checked_add(length);
    end.and_then(|end| memory.get(at..end))
        .ok_or_else(|| wasmtime::format_err!("the guest gave a list out of the bounds of its memory"))
}

pub(super) fn text(memory: &[u8], at: i32, length: i32) -> wasmtime::Result<&str> {
    std::str::from_utf8(bytes(memory, at, length)?)
        .map_err(|error| wasmtime::format_err!("the guest gave a text that is not UTF-8: {error}"))
}

/// The bytes of a list of items of this size, each aligned to four bytes.
pub(super) fn list(memory: &[u8], at: i32, count: i32, size: usize) -> wasmtime::Result<&[u8]> {
    let total = (count.cast_unsigned() as usize).checked_mul(size).and_then(|total| u32::try_from(total).ok());
    let total = total.ok_or_else(|| wasmtime::format_err!("the guest gave a list out of the bounds of its memory"))?;
    if !(at.cast_unsigned() as usize).is_multiple_of(4) {
        wasmtime::bail!("the guest gave a pointer that is not aligned");
    }
    bytes(memory, at, total.cast_signed())
}

/// The number at a place in the bytes of a value.
pub(super) fn number(value: &[u8], at: usize) -> i32 {
    i32::from_le_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]])
}

fn texts<'a>(memory: &'a [u8], pair: &[u8]) -> wasmtime::Result<(&'a str, &'a str)> {
    Ok((text(memory, number(pair, 0), number(pair, 4))?, text(memory, number(pair, 8), number(pair, 12))?))
}
