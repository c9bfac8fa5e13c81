//! The border to Redpanda: its transform ABI, version 1.
//!
//! In: batches and records that the broker hands in, with what it says of their lengths. Out:
//! records. It hands the broker only ranges of buffers that it was given.
#![allow(unsafe_code)]

/// Why the broker did nothing, as it numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) i32);

/// The buffer is too short for the record, or what it holds is no record.
pub(crate) const BAD_BUFFER: Refused = Refused(-2);

/// What is needed of a batch's header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordBatch {
    pub(crate) base_offset: i64,
    pub(crate) records: i32,
    /// Bytes of the longest record.
    pub(crate) longest: usize,
}

mod imports {
    #[link(wasm_import_module = "redpanda_transform")]
    unsafe extern "C" {
        /// Does nothing: that it is imported tells the broker which ABI this module speaks.
        pub(super) fn check_abi_version_1();
        pub(super) fn read_batch_header(
            base_offset: *mut i64,
            record_count: *mut i32,
            partition_leader_epoch: *mut i32,
            attributes: *mut i16,
            last_offset_delta: *mut i32,
            base_timestamp: *mut i64,
            max_timestamp: *mut i64,
            producer_id: *mut i64,
            producer_epoch: *mut i16,
            base_sequence: *mut i32,
        ) -> i32;
        pub(super) fn read_next_record(
            attributes: *mut u8,
            timestamp: *mut i64,
            offset: *mut i64,
            buffer: *mut u8,
            length: u32,
        ) -> i32;
        pub(super) fn write_record(buffer: *const u8, length: u32) -> i32;
    }
}

/// Says which ABI this is.
pub(crate) fn check_abi() {
    // SAFETY: it takes nothing and gives nothing.
    unsafe { imports::check_abi_version_1() }
}

/// Waits for the next batch. Asking for it tells the broker that the one before is done.
pub(crate) fn next_batch() -> Result<RecordBatch, Refused> {
    let (mut base_offset, mut records) = (0, 0);
    // The broker writes all of the header; the rest of it has no use here.
    let (mut epoch, mut attributes, mut last_delta) = (0, 0, 0);
    let (mut first_time, mut max_time) = (0, 0);
    let (mut producer, mut producer_epoch, mut sequence) = (0, 0, 0);
    // SAFETY: each pointer is to a variable of the width that the ABI names, alive during the call.
    let longest = unsafe {
        imports::read_batch_header(
            &raw mut base_offset,
            &raw mut records,
            &raw mut epoch,
            &raw mut attributes,
            &raw mut last_delta,
            &raw mut first_time,
            &raw mut max_time,
            &raw mut producer,
            &raw mut producer_epoch,
            &raw mut sequence,
        )
    };
    let longest = usize::try_from(longest).map_err(|_| Refused(longest))?;
    Ok(RecordBatch { base_offset, records, longest })
}

/// Reads the next record of the batch into the buffer: its offset and its length. One that does
/// not fit stays the next one.
pub(crate) fn next_record(buffer: &mut [u8]) -> Result<(i64, usize), Refused> {
    let (mut attributes, mut timestamp, mut offset) = (0, 0, 0);
    let capacity = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    // SAFETY: as above; the broker writes at most the buffer's length into it.
    let length = unsafe {
        imports::read_next_record(
            &raw mut attributes,
            &raw mut timestamp,
            &raw mut offset,
            buffer.as_mut_ptr(),
            capacity,
        )
    };
    match usize::try_from(length) {
        Ok(length) if length <= buffer.len() => Ok((offset, length)),
        _ => Err(Refused(length)),
    }
}

/// Writes a record to the output topic.
pub(crate) fn write(record: &[u8]) -> Result<(), Refused> {
    let length = u32::try_from(record.len()).map_err(|_| BAD_BUFFER)?;
    // SAFETY: the broker only reads the record.
    let written = unsafe { imports::write_record(record.as_ptr(), length) };
    if u32::try_from(written) == Ok(length) { Ok(()) } else { Err(Refused(written)) }
}
