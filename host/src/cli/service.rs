//! A service that runs: it listens, hands bodies to the loop, and heeds signals.
//!
//! In: the arguments of `serve`. Out: the exit status, once everything that was taken is answered or given up. SIGTERM
//! and Ctrl-C: no new connections, open requests are answered, then it ends. SIGHUP: rules, settings, exceptions, credentials and
//! certificates are read; where all of them load the loop begins anew with them, else nothing changes and the fault is
//! printed.

use super::ExitStatus;
use super::bench::stage_clock::CpuStageClock;
use super::message_limits::{MILESTONES, NAMED, is_milestone, nth};
use super::observer::RunObserver;
use super::place::{StopMarks, in_memory, state_name};
use super::run::{SystemClock, run_from};
use super::serve::ServeArgs;
use super::served::{Opened, ServedRun};
use super::setup;
use super::signal::Signals;
use crate::escape::escaped;
use crate::files::{read_text, shown};
use crate::listening::listen;
use crate::numbers::{counted, number};
use crate::observe::stages::{RunStage, Stages};
use crate::pipeline::{Clock, OutputStatus, Pipeline, Stop};
use crate::serve::counter::BodyCounter;
use crate::serve::http::metrics::{GuestCounts, LoopCounts, RefusedRequest, ServiceCounts};
use crate::serve::http::{Credentials, HttpLimits, HttpService, ServiceHandle, TlsFiles};
use crate::serve::ledger::BodyLedger;
use crate::serve::observer::Publish;
use crate::serve::queue::{BodyQueue, QueueEnd, Request};
use crate::source::ReadLimits;
use crate::terminal::message;
use crate::waiting::{WaitEnd, wait_for};
use anyhow::{Context, bail};
use firstseen_runtime::Artifact;
use sd_notify::NotifyState;
use signal_hook::consts::SIGHUP;
use signal_hook::low_level;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Serves until a signal ends it.
///
/// # Errors
/// When something cannot be opened or written.
pub(super) fn serve(args: &ServeArgs) -> anyhow::Result<ExitStatus> {
    let signals = Signals::listen().context("signals cannot be heard")?;
    // From the start on: it would end a service that does not hear it yet.
    let (hangups, to_wake) = UnixStream::pair()?;
    low_level::pipe::register(SIGHUP, to_wake)?;
    let listener = listen("--listen ", &args.listen)?;
    let credentials = args.auth.as_deref().map(credentials).transpose()?;
    let tls = args.tls_cert.clone().zip(args.tls_key.clone());
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    let (is_open, is_plain) = (credentials.is_none(), tls.is_none());
    let counts = ServiceCounts::new(Arc::new(|| SystemClock.now_ms()));
    let counts = Arc::new(counts.telling(Box::new(tell_refused)));
    let (requests, queue) = channel();
    let service = HttpService {
        listener,
        limits: HttpLimits {
            body: args.max_body,
            unpacked: args.max_body as u64 * 16,
            events: args.max_body_events,
            event: args.judge.max_event,
            waiting: args.max_body * 4,
            connections: args.max_connections as usize,
            ..HttpLimits::default()
        },
        credentials,
        tls,
        requests: requests.clone(),
        counts: Arc::clone(&counts),
        clock: Arc::new(SystemClock),
    };
    let handle = service.start()?;
    warn_of_openness(&handle, is_open, is_plain);
    let handle = Arc::new(Mutex::new(handle));
    let counter = BodyCounter::start(requests.clone());
    heed_signals(&signals, hangups, requests, Arc::clone(&handle))?;
    let mut run = args.run();
    let mut is_again = false;
    loop {
        let ledger = match args.annotate {
            true => BodyLedger::annotating(args.judge.max_event),
            false => BodyLedger::default(),
        };
        let clock = Arc::new(CpuStageClock::default());
        let state = (!in_memory(&args.state)).then(|| args.state.clone());
        let mut served = HttpRun {
            args,
            ledger,
            clock,
            state: state.filter(|_| !super::place::is_at_server(&args.state)),
            counts: Arc::clone(&counts),
            queue: &queue,
            counter: &counter,
            handle: Arc::clone(&handle),
            is_plain,
            is_again,
            end: QueueEnd::End,
            is_closed: false,
        };
        let status = run_from(&run, &mut std::io::stderr(), &signals, Some(&mut served))?;
        if served.is_closed {
            bail!(
                "standard output was closed, so alerts cannot be written; what was not answered has to be sent \
                 again: give --output FILE, or keep the reader running"
            );
        }
        if served.end == QueueEnd::End {
            sum_up_refused(&counts);
            return Ok(status);
        }
        counts.begin_anew();
        is_again = true;
        // What is there is this service's own.
        run.common.append = run.common.output.is_some() || run.dead_letter.is_some();
    }
}

/// Says that a request was refused: its sender may give it up, so nobody else may hear of its events.
fn tell_refused(request: &RefusedRequest<'_>) {
    let RefusedRequest { name, status, count, code, reason } = request;
    let nth = match *count {
        ..=NAMED => String::new(),
        count if is_milestone(count) => format!(" ({} with {status})", nth(count)),
        _ => return,
    };
    message::warning(&format!("refused: {name}: {status} {code}: {reason}{nth}"));
    if *count == NAMED {
        message::warning(&format!("refused: of more with {status} only the {MILESTONES}"));
    }
}

/// Says how many requests were refused; no other sum has their events.
fn sum_up_refused(counts: &ServiceCounts) {
    let refusals = counts.refusals();
    if refusals.is_empty() {
        return;
    }
    let sum = refusals.iter().map(|(_, count)| *count).sum();
    let each = refusals.iter().map(|(status, count)| {
        let status = status.map_or_else(|| "others".to_owned(), |status| status.to_string());
        format!("{status}: {}", number(*count))
    });
    message::warning(&format!(
        "{} refused for good, whose events are in no other sum: {}",
        counted(sum, "request was", "requests were"),
        each.collect::<Vec<_>>().join(", ")
    ));
}

fn credentials(path: &Path) -> anyhow::Result<Credentials> {
    use std::os::unix::fs::PermissionsExt;
    let name = || format!("--auth {}", shown(path));
    let text = read_text(path).with_context(name)?;
    let mode = path.metadata().map_or(0, |meta| meta.permissions().mode());
    if mode & 0o077 != 0 {
        message::warning(&format!("{}: others may read it (chmod 600)", name()));
    }
    Credentials::read(&text).with_context(name)
}

/// Says what others could do who reach the address.
fn warn_of_openness(handle: &ServiceHandle, is_open: bool, is_plain: bool) {
    if handle.address.ip().is_loopback() {
        return;
    }
    let missing = match (is_open, is_plain) {
        (true, true) => {
            "without --auth and --tls-cert: whoever reaches it may send events, and read them on the way"
        }
        (true, false) => "without --auth: whoever reaches it may send events",
        (false, true) => "without --tls-cert: tokens and events can be read on the way",
        (false, false) => return,
    };
    message::warning(&format!("listening at {} {missing}", handle.address));
}

/// Tells systemd, where it started the service; nobody else hears of it.
fn notify(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

/// Starts the thread that hears of signals.
fn heed_signals(
    signals: &Signals,
    mut hangups: UnixStream,
    requests: Sender<Request>,
    handle: Arc<Mutex<ServiceHandle>>,
) -> anyhow::Result<()> {
    let wake = signals.wake().context("signals cannot be heard")?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        loop {
            let Ok(woken) = wait_for(&hangups, Some(&wake), None) else { return };
            if woken == WaitEnd::Woken {
                notify(&[NotifyState::Stopping]);
                let ending = handle.lock().unwrap_or_else(PoisonError::into_inner).end();
                // How it ended changes nothing.
                let _ = ending.map(std::thread::JoinHandle::join);
                let _ = requests.send(Request::End);
                return;
            }
            let mut some = [0; 64];
            // Several signals are one reload.
            let _ = hangups.read(&mut some);
            if requests.send(Request::Reload).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// The loop of a service.
struct HttpRun<'s> {
    args: &'s ServeArgs,
    ledger: BodyLedger,
    clock: Arc<CpuStageClock>,
    /// The file of the state.
    state: Option<PathBuf>,
    counts: Arc<ServiceCounts>,
    queue: &'s Receiver<Request>,
    counter: &'s BodyCounter,
    handle: Arc<Mutex<ServiceHandle>>,
    is_plain: bool,
    /// It goes on after a reload.
    is_again: bool,
    end: QueueEnd,
    /// Nobody reads standard output any more.
    is_closed: bool,
}

impl ServedRun for HttpRun<'_> {
    fn ledger(&self) -> BodyLedger {
        self.ledger.clone()
    }

    fn stages(&self) -> Stages {
        Stages::measured(Arc::clone(&self.clock) as _)
    }

    fn publish(&self, artifacts: &[Artifact]) -> Publish<RunObserver> {
        let (counts, clock) = (Arc::clone(&self.counts), Arc::clone(&self.clock));
        let state = self.state.clone();
        let guests = artifacts
            .iter()
            .map(|artifact| (artifact.name.clone(), Arc::clone(&artifact.overruns)));
        let guests: Vec<_> = guests.collect();
        let mut committed_ms = 0;
        Box::new(move |observer, is_committed| {
            if is_committed {
                committed_ms = SystemClock.now_ms();
            }
            observer.commit_sums();
            let seconds = |nanos: u64| nanos as f64 / 1e9;
            let stages = RunStage::ALL.iter().zip(clock.sums());
            counts.publish(LoopCounts {
                summary: observer.summary.clone(),
                rules: observer.tally.clone().finish(),
                stages: stages.map(|(stage, nanos)| (stage.name(), seconds(nanos))).collect(),
                guests: guests
                    .iter()
                    .map(|(name, overruns)| GuestCounts::of(name, overruns))
                    .collect(),
                committed_ms,
                state_bytes: state.as_ref().and_then(|path| Some(path.metadata().ok()?.len())),
            });
        })
    }

    fn goes_on(&self) -> bool {
        self.is_again
    }

    fn is_followed(&self) -> bool {
        self.end == QueueEnd::Reload
    }

    fn serve(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        limits: ReadLimits,
        opened: &Opened,
    ) -> anyhow::Result<OutputStatus> {
        {
            let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
            handle.begin();
            notify(&[NotifyState::Ready]);
            let scheme = if self.is_plain { "http" } else { "https" };
            opened.tell(&match self.is_again {
                false => format!("listening at {scheme}://{}", handle.address),
                true => format!("SIGHUP: {} were read again; it goes on", self.args.reloaded()),
            });
        }
        let (args, handle, counts) =
            (self.args, Arc::clone(&self.handle), Arc::clone(&self.counts));
        let may_reload = Box::new(move || reload(args, &handle, &counts));
        let mut queue = BodyQueue::new(
            self.queue,
            self.ledger.clone(),
            limits,
            Some(self.counter.clone()),
            may_reload,
        );
        let status = pipeline.serve(&mut queue);
        self.end = queue.end();
        if self.is_again && self.end == QueueEnd::End {
            message::info("the summary counts from the last SIGHUP on, /metrics counted all");
        }
        self.is_closed = matches!(status, Ok(OutputStatus::Closed));
        status
    }
}

impl ServeArgs {
    /// What a reload reads.
    fn reloaded(&self) -> String {
        let all = [
            (true, "rules"),
            (self.judge.settings.is_some(), "settings"),
            (!self.judge.exceptions.is_empty(), "exceptions"),
            (self.auth.is_some(), "credentials"),
            (self.tls_cert.is_some(), "certificates"),
        ];
        listed(&all).unwrap_or_default()
    }
}

/// Those that there are, as a sentence lists them.
fn listed(all: &[(bool, &str)]) -> Option<String> {
    let there: Vec<_> = all.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    let (last, others) = there.split_last()?;
    Some(match others {
        [] => (*last).to_owned(),
        others => format!("{} and {last}", others.join(", ")),
    })
}

/// Whether the loop is to begin anew; systemd hears when it has, or that nothing changes.
fn reload(args: &ServeArgs, handle: &Mutex<ServiceHandle>, counts: &ServiceCounts) -> bool {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    let begins_anew = is_loadable(args, handle, counts);
    if !begins_anew {
        notify(&[NotifyState::Ready]);
    }
    begins_anew
}

/// Whether all that a reload reads can be read; certificate and credentials are in force then.
fn is_loadable(args: &ServeArgs, handle: &Mutex<ServiceHandle>, counts: &ServiceCounts) -> bool {
    let [done, failed] = &counts.reloads;
    let mut common = args.run().common;
    common.stop = StopMarks::default();
    // Certificate and credentials last: where anything does not load, nothing changes.
    let checked = setup::check(&common).and_then(|()| {
        let credentials = args.auth.as_deref().map(credentials).transpose()?;
        handle.lock().unwrap_or_else(PoisonError::into_inner).reload(credentials)
    });
    if let Err(error) = checked {
        failed.fetch_add(1, Ordering::Relaxed);
        message::error(&format!(
            "error: SIGHUP: nothing changes, as not all can be read: {error:#}"
        ));
        return false;
    }
    done.fetch_add(1, Ordering::Relaxed);
    if in_memory(&args.state) {
        let access =
            [(args.auth.is_some(), "credentials"), (args.tls_cert.is_some(), "certificates")];
        let access = listed(&access)
            .map_or_else(String::new, |access| format!("{access} were read again, "));
        message::warning(&format!(
            "SIGHUP: {access}rules were not: state {} would be lost",
            escaped(&state_name(&args.state))
        ));
        return false;
    }
    true
}
