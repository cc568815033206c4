#![allow(unsafe_code)]
#![allow(missing_docs, clippy::all, clippy::pedantic, unused)]
use std::time::*;
use wasmtime::component::*;
use wasmtime::*;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
struct Room {
    wasi: WasiCtx,
    table: ResourceTable,
}
impl WasiView for Room {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
struct A;
static ON: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
static TAB: [std::sync::atomic::AtomicI64; 65536] = [const { std::sync::atomic::AtomicI64::new(0) }; 65536];
unsafe impl std::alloc::GlobalAlloc for A {
    unsafe fn alloc(&self, l: std::alloc::Layout) -> *mut u8 {
        if ON.load(std::sync::atomic::Ordering::Relaxed) {
            TAB[l.size().min(65535)].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        unsafe { std::alloc::System.alloc(l) }
    }
    unsafe fn alloc_zeroed(&self, l: std::alloc::Layout) -> *mut u8 {
        if ON.load(std::sync::atomic::Ordering::Relaxed) {
            TAB[l.size().min(65535)].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        unsafe { std::alloc::System.alloc_zeroed(l) }
    }
    unsafe fn dealloc(&self, p: *mut u8, l: std::alloc::Layout) {
        if ON.load(std::sync::atomic::Ordering::Relaxed) {
            TAB[l.size().min(65535)].fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
        unsafe { std::alloc::System.dealloc(p, l) }
    }
}
#[global_allocator]
static GA: A = A;
fn rss() -> usize {
    std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
fn maps() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}
fn pte() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| {
            l.starts_with("VmPTE") || l.starts_with("RssAnon") || l.starts_with("RssFile") || l.starts_with("RssShmem")
        })
        .collect::<Vec<_>>()
        .join(" ")
}
fn main() {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let n: usize = std::env::var("N").map_or(2000, |n| n.parse().unwrap());
        let mut config = Config::new();
        config.concurrency_support(false).epoch_interruption(true).max_wasm_stack(512 << 10).async_stack_size(1 << 20);
        let mut pool = PoolingAllocationConfig::new();
        let m = n as u32 + 10;
        pool.total_component_instances(m)
            .total_core_instances(m * 16)
            .total_memories(m)
            .total_tables(m * 4)
            .total_stacks(m)
            .table_elements(65536)
            .max_memory_size(4 << 30)
            .max_unused_warm_slots(std::env::var("WARM").map_or(100, |n| n.parse().unwrap()))
            .max_tables_per_component(64)
            .max_core_instances_per_component(64);
        if std::env::var("KEEP").is_ok() {
            pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(256 << 10).table_keep_resident(32 << 10);
        }
        config.allocation_strategy(pool);
        let engine = Engine::new(&config).unwrap();
        let file = std::env::var("F").unwrap_or("/work/main/plugins/echo.wasm".into());
        let component = Component::from_file(&engine, file).unwrap();
        let mut linker: Linker<Room> = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        linker.define_unknown_imports_as_traps(&component).unwrap();
        let pre = linker.instantiate_pre(&component).unwrap();
        let li = component.get_export_index(None, "playhouse:actor/lifecycle@0.1.0").unwrap();
        let init_i = component.get_export_index(Some(&li), "init").unwrap();
        for round in 0..4 {
            let (r0, m0) = (rss(), maps());
            let mut stores = Vec::with_capacity(n);
            ON.store(true, std::sync::atomic::Ordering::Relaxed);
            let mut t = [Duration::ZERO; 6];
            for _ in 0..n {
                let a = Instant::now();
                let wasi = WasiCtx::builder().build();
                let b = Instant::now();
                let mut store = Store::new(&engine, Room { wasi, table: ResourceTable::new() });
                store.set_epoch_deadline(u64::MAX / 2);
                let c = Instant::now();
                let instance = pre.instantiate_async(&mut store).await.unwrap();
                let d = Instant::now();
                let init =
                    instance.get_typed_func::<(), (std::result::Result<(), String>,)>(&mut store, init_i).unwrap();
                let e = Instant::now();
                init.call_async(&mut store, ()).await.unwrap().0.unwrap();
                let f = Instant::now();
                t[0] += b - a;
                t[1] += c - b;
                t[2] += d - c;
                t[3] += e - d;
                t[4] += f - e;
                stores.push(store);
            }
            ON.store(false, std::sync::atomic::Ordering::Relaxed);
            let (r1, m1) = (rss(), maps());
            if round == 0 && std::env::var("TAB").is_ok() {
                let mut sum = 0;
                for (i, c) in TAB.iter().enumerate() {
                    let c = c.load(std::sync::atomic::Ordering::Relaxed);
                    if c > n as i64 / 2 {
                        println!("size {i} x {:.2}", c as f64 / n as f64);
                        sum += i as i64 * c;
                    }
                }
                println!("sum {}", sum / n as i64);
            }
            if round == 0 {
                println!("{}", pte());
            }
            if round == 0 && std::env::var("SMAPS").is_ok() {
                println!("{}", std::fs::read_to_string("/proc/self/smaps").unwrap());
                return;
            }
            let f = Instant::now();
            drop(stores);
            t[5] = f.elapsed();
            println!(
                "wasi {:?} store {:?} instantiate {:?} typed {:?} init {:?} drop {:?}; rss {} maps {:.2}",
                t[0] / n as u32,
                t[1] / n as u32,
                t[2] / n as u32,
                t[3] / n as u32,
                t[4] / n as u32,
                t[5] / n as u32,
                (r1 as i64 - r0 as i64) / n as i64,
                (m1 as f64 - m0 as f64) / n as f64
            );
            // one at a time
            let f = Instant::now();
            for _ in 0..n {
                let mut store =
                    Store::new(&engine, Room { wasi: WasiCtx::builder().build(), table: ResourceTable::new() });
                store.set_epoch_deadline(u64::MAX / 2);
                let instance = pre.instantiate_async(&mut store).await.unwrap();
                let init =
                    instance.get_typed_func::<(), (std::result::Result<(), String>,)>(&mut store, init_i).unwrap();
                init.call_async(&mut store, ()).await.unwrap().0.unwrap();
            }
            println!("   one at a time {:?}", f.elapsed() / n as u32);
        }
    });
}
