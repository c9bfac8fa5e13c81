//! WAMR as Fluent Bit's `wasm` filter uses it.
//!
//! In: a module, folders, records. Out: the module's results. It makes the calls of
//! `src/wasm/flb_wasm.c` of Fluent Bit 5.1.1, in the same order and with the same sizes. It is not
//! Fluent Bit and reads no configuration.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use wamrx_sys as wamr;

/// The defaults of Fluent Bit's `wasm_stack_size` and `wasm_heap_size`.
pub const DEFAULT_SIZE: u32 = 8 * 1024;

/// WAMR has one runtime for the process, and its loader is not thread-safe.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A loaded filter section.
pub struct Filter {
    module: wamr::wasm_module_t,
    instance: wamr::wasm_module_inst_t,
    env: wamr::wasm_exec_env_t,
    function: wamr::wasm_function_inst_t,
    /// The loader keeps pointers into the bytes.
    _bytes: Vec<u8>,
    /// The loader keeps pointers to the folders until the instance exists.
    _folders: Vec<CString>,
    _guard: MutexGuard<'static, ()>,
}

/// The filter's result for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The record continues with this text.
    Goes(Vec<u8>),
    /// The text is empty: the record is dropped.
    Dropped,
}

impl Filter {
    /// Loads a module as a filter section with these `accessible_paths` and this
    /// `wasm_stack_size`.
    ///
    /// # Errors
    /// The message that Fluent Bit would log instead of starting.
    pub fn load(wasm: &[u8], folders: &[&str], stack: u32) -> Result<Self, String> {
        let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = wasm.to_vec();
        let folders: Vec<CString> = folders
            .iter()
            .map(|f| CString::new(*f).map_err(|e| e.to_string()))
            .collect::<Result<_, _>>()?;
        let mut dirs: Vec<*const c_char> = folders.iter().map(|f| f.as_ptr()).collect();
        let mut error = [0 as c_char; 128];
        let message = |error: &[c_char; 128]| {
            // SAFETY: WAMR terminates its message with a NUL inside the buffer, which was zeroed.
            unsafe { CStr::from_ptr(error.as_ptr()) }.to_string_lossy().into_owned()
        };
        // SAFETY: the calls of flb_wasm_instantiate in their order; every pointer lives as long as
        // this value, and the lock keeps other threads out.
        unsafe {
            let mut arguments = wamr::RuntimeInitArgs {
                mem_alloc_type: wamr::Alloc_With_System_Allocator,
                ..Default::default()
            };
            if !wamr::wasm_runtime_full_init(&mut arguments) {
                return Err("the runtime does not start".to_owned());
            }
            let length = u32::try_from(bytes.len()).map_err(|e| e.to_string())?;
            let module =
                wamr::wasm_runtime_load(bytes.as_mut_ptr(), length, error.as_mut_ptr(), 128);
            if module.is_null() {
                wamr::wasm_runtime_destroy();
                return Err(message(&error));
            }
            wamr::wasm_runtime_set_wasi_args_ex(
                module,
                dirs.as_mut_ptr(),
                dirs.len() as u32,
                ptr::null_mut(),
                0,
                ptr::null_mut(),
                0,
                ptr::null_mut(),
                0,
                0,
                1,
                2,
            );
            let instance = wamr::wasm_runtime_instantiate(
                module,
                stack,
                DEFAULT_SIZE,
                error.as_mut_ptr(),
                128,
            );
            if instance.is_null() {
                wamr::wasm_runtime_unload(module);
                wamr::wasm_runtime_destroy();
                return Err(message(&error));
            }
            let env = wamr::wasm_runtime_create_exec_env(instance, stack);
            let function = wamr::wasm_runtime_lookup_function(instance, c"firstseen".as_ptr());
            if env.is_null() || function.is_null() {
                return Err("no function `firstseen`".to_owned());
            }
            Ok(Self {
                module,
                instance,
                env,
                function,
                _bytes: bytes,
                _folders: folders,
                _guard: guard,
            })
        }
    }

    /// Passes one record to the filter. `record` has no NUL, because Fluent Bit measures it so.
    ///
    /// # Errors
    /// A trap or an invalid address, which makes Fluent Bit lose the record.
    pub fn call(&mut self, record: &[u8]) -> Result<Answer, String> {
        let tag = b"ct\0";
        let mut ended = record.to_vec();
        ended.push(0);
        // SAFETY: the calls of flb_wasm_call_function_format_json in their order; the module's
        // answer is checked by WAMR to be a string in its memory before it is read.
        unsafe {
            let instance = self.instance;
            let tag_at =
                wamr::wasm_runtime_module_dup_data(instance, tag.as_ptr().cast(), tag.len() as u64);
            let record_at = wamr::wasm_runtime_module_dup_data(
                instance,
                ended.as_ptr().cast(),
                ended.len() as u64,
            );
            let mut arguments =
                [tag_at as u32, 2, 1_700_000_000, 0, record_at as u32, record.len() as u32];
            let called =
                wamr::wasm_runtime_call_wasm(self.env, self.function, 6, arguments.as_mut_ptr());
            let answer = if called {
                self.text(u64::from(arguments[0]))
            } else {
                let text = wamr::wasm_runtime_get_exception(instance);
                let text = CStr::from_ptr(text).to_string_lossy().into_owned();
                wamr::wasm_runtime_clear_exception(instance);
                Err(text)
            };
            for address in [tag_at, record_at] {
                if address != 0 {
                    wamr::wasm_runtime_module_free(instance, address);
                }
            }
            answer
        }
    }

    /// # Safety
    /// Nothing else runs in the instance.
    unsafe fn text(&self, address: u64) -> Result<Answer, String> {
        // SAFETY: WAMR has checked that the address holds a NUL-terminated string.
        unsafe {
            if !wamr::wasm_runtime_validate_app_str_addr(self.instance, address) {
                return Err("the result is not a text in the module's memory".to_owned());
            }
            let native: *mut c_void = wamr::wasm_runtime_addr_app_to_native(self.instance, address);
            let text = CStr::from_ptr(native.cast()).to_bytes().to_vec();
            Ok(if text.is_empty() { Answer::Dropped } else { Answer::Goes(text) })
        }
    }

    /// The module's memory in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        // SAFETY: the instance has one memory, which WAMR describes.
        unsafe {
            let memory = wamr::wasm_runtime_get_default_memory(self.instance);
            wamr::wasm_memory_get_cur_page_count(memory)
                * wamr::wasm_memory_get_bytes_per_page(memory)
        }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: the order of flb_wasm_destroy; nothing is used afterwards.
        unsafe {
            wamr::wasm_runtime_destroy_exec_env(self.env);
            wamr::wasm_runtime_deinstantiate(self.instance);
            wamr::wasm_runtime_unload(self.module);
            wamr::wasm_runtime_destroy();
        }
    }
}
