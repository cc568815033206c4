//! The child's side of a compilation: its order, its bounds, its answer.
//!
//! Both sides are of the same build. Order: 8 bytes of [`MAGIC`]; the purpose, its stack, memory, CPU seconds, the parent's
//! process id and the component's length as `u64` each, little-endian; then the component. Answer: the magic, its kind and its
//! length as `u64`; then code or text.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasmtime::{Engine, OutOfMemory};

use super::engine::{self, Purpose};

const MAGIC: &[u8; 8] = b"playhs\x00c";
/// The beginning of a panic's line on stderr.
pub(super) const PANICKED: &str = "the compiler panicked:";
/// Bytes before an answer's code or text.
const HEADER_BYTES: usize = 24;

/// The header that the child gets before the component.
#[derive(Debug, PartialEq)]
pub(super) struct Order {
    pub(super) purpose: Purpose,
    pub(super) memory_bytes: u64,
    pub(super) cpu_seconds: u64,
    /// The process id of the parent, which waits for the answer.
    pub(super) parent: u64,
    pub(super) wasm_bytes: u64,
}

impl Order {
    const BYTES: usize = 56;

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (kind, stack) = match self.purpose {
            Purpose::Pool { stack_bytes } => (0, stack_bytes),
            Purpose::OnDemand { stack_bytes } => (1, stack_bytes),
            Purpose::Look => (2, 0),
        };
        let numbers = [kind, stack as u64, self.memory_bytes, self.cpu_seconds, self.parent, self.wasm_bytes];
        MAGIC.iter().copied().chain(numbers.into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; Self::BYTES];
        from.read_exact(&mut bytes)?;
        let mut numbers = bytes[MAGIC.len()..].chunks_exact(8).map(number);
        let mut next = || numbers.next().unwrap_or_default();
        let (kind, stack_bytes) = (next(), next() as usize);
        let purpose = match kind {
            0 => Purpose::Pool { stack_bytes },
            1 => Purpose::OnDemand { stack_bytes },
            _ => Purpose::Look,
        };
        let (memory_bytes, cpu_seconds, parent, wasm_bytes) = (next(), next(), next(), next());
        let order = Self { purpose, memory_bytes, cpu_seconds, parent, wasm_bytes };
        if bytes.starts_with(MAGIC) { Ok(order) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The result of a compilation.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Code(Vec<u8>),
    /// The bytes are not a valid component, for this reason.
    Invalid(String),
    /// The compilation, or its code, would take more memory than allowed.
    OutOfMemory,
}

impl Answer {
    /// Reads a whole answer, with code of at most `most` bytes.
    pub(super) fn read(from: &mut impl Read, most: u64) -> io::Result<Self> {
        let mut header = [0; HEADER_BYTES];
        from.read_exact(&mut header)?;
        let (kind, length) = (number(&header[8..]), number(&header[16..]));
        if !header.starts_with(MAGIC) || kind > 2 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if kind == 2 || length > most {
            return Ok(Self::OutOfMemory);
        }
        let mut rest = Vec::with_capacity(length as usize);
        from.take(length).read_to_end(&mut rest)?;
        if rest.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(if kind == 0 { Self::Code(rest) } else { Self::Invalid(String::from_utf8_lossy(&rest).into_owned()) })
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, rest): (u64, &[u8]) = match self {
            Self::Code(code) => (0, code),
            Self::Invalid(message) => (1, message.as_bytes()),
            Self::OutOfMemory => (2, &[]),
        };
        to.write_all(MAGIC)?;
        to.write_all(&kind.to_le_bytes())?;
        to.write_all(&(rest.len() as u64).to_le_bytes())?;
        to.write_all(rest)?;
        to.flush()
    }
}

/// Compiles one component for the process that started this one with [`CompilePlace::Child`](crate::CompilePlace), under the
/// bounds in the order: reads stdin and answers on stdout. This process must do nothing else.
pub fn compile_for_parent() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        eprintln!("{PANICKED} {message}{place}");
    }));
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot compile for the process that started this one: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let order = Order::read(from)?;
    confine(&order)?;
    let mut wasm = Vec::with_capacity(order.wasm_bytes as usize);
    from.take(order.wasm_bytes).read_to_end(&mut wasm)?;
    if wasm.len() as u64 != order.wasm_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    compile(&order, &wasm).write(to)
}

fn compile(order: &Order, wasm: &[u8]) -> Answer {
    match engine::compiling(order.purpose).and_then(|engine: Engine| engine.precompile_component(wasm)) {
        Ok(code) => Answer::Code(code),
        Err(error) if is_out_of_memory(&error) => Answer::OutOfMemory,
        Err(error) => Answer::Invalid(format!("{error:#}")),
    }
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    let says_so = |cause: &io::Error| cause.kind() == io::ErrorKind::OutOfMemory;
    error.is::<OutOfMemory>() || error.chain().any(|cause| cause.downcast_ref().is_some_and(says_so))
}

/// Whether the stderr of a process says that it ran out of memory: in the words of the standard library before it aborts, of
/// wasmtime and bumpalo when they panic, and of rayon when there is no memory for the stack of a thread.
pub(super) fn is_about_memory(said: &str) -> bool {
    ["memory allocation of ", "out-of-memory", "out of memory", "ThreadPoolBuildError"]
        .iter()
        .any(|words| said.contains(words))
}

/// Whether the stderr of a process says that it could not start a thread.
pub(super) fn is_about_threads(said: &str) -> bool {
    said.contains("ThreadPoolBuildError")
}

/// Sets the bounds of the order on this process.
fn confine(order: &Order) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The parent may have died before the signal was set.
    if rustix::process::getppid()
        .is_none_or(|parent| u64::from(parent.as_raw_nonzero().get().cast_unsigned()) != order.parent)
    {
        return Err(io::Error::other("the process that started this one has ended"));
    }
    let most = |resource, wanted: u64| {
        // A tighter limit of the system stays.
        let Rlimit { current, maximum } = getrlimit(resource);
        let most = wanted.min(current.unwrap_or(u64::MAX)).min(maximum.unwrap_or(u64::MAX));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
    };
    most(Resource::Data, order.memory_bytes)?;
    most(Resource::Cpu, order.cpu_seconds)?;
    // A child killed at a bound writes no core dump, and no other file.
    most(Resource::Core, 0)?;
    most(Resource::Fsize, 0)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_arrives_as_it_was_sent() {
        for purpose in [Purpose::Pool { stack_bytes: 4096 }, Purpose::OnDemand { stack_bytes: 1 << 20 }, Purpose::Look]
        {
            let order = Order { purpose, memory_bytes: 1 << 40, cpu_seconds: 61, parent: 7, wasm_bytes: 12 };
            let bytes = order.to_bytes();
            assert_eq!(Order::read(&mut bytes.as_slice()).expect("an order"), order);
            assert!(Order::read(&mut &bytes[..bytes.len() - 1]).is_err(), "it is cut short");
        }
        assert!(Order::read(&mut [0; 56].as_slice()).is_err(), "it is something else");
    }

    #[test]
    fn answer_arrives_as_it_was_sent_or_not_at_all() {
        for answer in [Answer::Code(vec![1, 2, 3]), Answer::Invalid("at offset 0x3".into()), Answer::OutOfMemory] {
            let mut bytes = Vec::new();
            answer.write(&mut bytes).expect("a vector takes all");
            assert!(Answer::read(&mut &bytes[..bytes.len() - 1], 100).is_err(), "it is cut short");
            assert_eq!(Answer::read(&mut bytes.as_slice(), 100).expect("an answer"), answer);
        }
        assert!(Answer::read(&mut b"running 1 test\nokokokokokok".as_slice(), 100).is_err(), "it is something else");
        let mut large = Vec::new();
        Answer::Code(vec![1; 101]).write(&mut large).expect("a vector takes all");
        assert_eq!(Answer::read(&mut large.as_slice(), 100).expect("an answer"), Answer::OutOfMemory);
    }

    #[test]
    fn code_compiled_in_the_child_fits_each_engine() {
        let wasm = wat::parse_str("(component)").expect("a component");
        let stack_bytes = engine::WASM_STACK_BYTES;
        let (pool, _, _) = engine::running(2, stack_bytes).expect("an engine");
        let on_demand = engine::compiling(Purpose::OnDemand { stack_bytes }).expect("an engine");
        let look = engine::compiling(Purpose::Look).expect("an engine");
        let engines = [
            (pool, Purpose::Pool { stack_bytes }),
            (on_demand, Purpose::OnDemand { stack_bytes }),
            (look, Purpose::Look),
        ];
        for (engine, purpose) in engines {
            let order = Order { purpose, memory_bytes: 0, cpu_seconds: 0, parent: 0, wasm_bytes: wasm.len() as u64 };
            let Answer::Code(code) = compile(&order, &wasm) else { panic!("it is a component") };
            crate::compile::deserialize(&engine, &code).expect("its own kind of code");
        }
    }
}
