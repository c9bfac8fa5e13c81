//! `generate MEGABYTES`: CloudTrail events as NDJSON on standard output.
//!
//! In: a size. Out: the same bytes for the same size on every machine: lines of about 1.3 KB over
//! sixty days, sorted except for a few minutes; 1 in 2,000 is a successful CreateStack. It reads no
//! clock and shares no code with firstseen, so the measured program does not generate its own data.

mod calls;
mod people;
mod random;
mod time;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use random::Random;

const SIXTY_DAYS: u64 = 60 * 24 * 3600;
/// 2025-01-01T00:00:00Z, in seconds since 1970.
const START: u64 = 1_735_689_600;
/// Events are up to this many seconds late, as in objects that S3 delivers out of order.
const DISORDER: u64 = 300;

fn main() -> ExitCode {
    let size = std::env::args().nth(1).and_then(|text| text.parse::<u64>().ok());
    let Some(megabytes) = size.filter(|&megabytes| (1..=1_000_000).contains(&megabytes)) else {
        eprintln!("usage: generate MEGABYTES (1 to 1000000) > FILE.ndjson");
        return ExitCode::from(2);
    };
    match write(megabytes * 1_000_000) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: cannot write to standard output: {error}");
            ExitCode::from(2)
        }
    }
}

fn write(bytes: u64) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut random = Random::new(0x66_69_72_73_74);
    let mut line = String::with_capacity(4096);
    let mut written = 0;
    while written < bytes {
        // The data covers sixty days, whatever its size.
        let due = START + (u128::from(SIXTY_DAYS) * u128::from(written) / u128::from(bytes)) as u64;
        line.clear();
        event(&mut line, due - random.below(DISORDER), &mut random);
        line.push('\n');
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
    }
    out.flush()
}

/// One event, with the keys in CloudTrail's order.
fn event(line: &mut String, seconds: u64, random: &mut Random) {
    let call = calls::pick(random);
    let person = people::pick(call.creates, seconds, random);
    let account = person.account();
    let failed = call.failure.filter(|_| random.one_in(if call.creates { 4 } else { 30 }));
    // Writing to a String cannot fail.
    let _ = write!(line, r#"{{"eventVersion":"1.11","userIdentity":"#);
    person.identity(line, seconds);
    let _ = write!(
        line,
        r#","eventTime":"{}","eventSource":"{}.amazonaws.com","eventName":"{}","awsRegion":"{}","#,
        time::stamp(seconds),
        call.service,
        call.name,
        person.region(),
    );
    let _ = write!(
        line,
        r#""sourceIPAddress":"{}","userAgent":"{}","#,
        person.address(),
        person.agent()
    );
    if let Some((code, message)) = failed {
        let _ = write!(line, r#""errorCode":"{code}","errorMessage":"{message}","#);
    }
    let _ = write!(line, r#""requestParameters":"#);
    call.request(line, random);
    let _ = write!(line, r#","responseElements":"#);
    if failed.is_some() || call.read_only {
        line.push_str("null");
    } else {
        call.response(line, account, random);
    }
    let _ = write!(
        line,
        r#","requestID":"{}","eventID":"{}","readOnly":{},"#,
        random.uuid(),
        random.uuid(),
        call.read_only
    );
    let _ = write!(
        line,
        r#""eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"{account}","#
    );
    let _ = write!(
        line,
        r#""eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{}.{}.amazonaws.com"}}}}"#,
        call.service,
        person.region()
    );
}
