//! Jobs, done on all cores.
//!
//! In: jobs. Out: the result of each, in the order of the jobs whatever order they ended in. One
//! job's failure is no other's.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Does `work` for each item on all cores, and hands the results to `take` in the items' order.
pub(crate) fn in_order<I: Sync, R: Send>(
    items: &[I],
    work: impl Fn(&I) -> R + Sync,
    mut take: impl FnMut(&I, R),
) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(items.len());
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..cores {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    // Nobody takes results any more: then nobody wants the rest either.
                    if sender.send((index, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut turn = 0;
        for (index, result) in results {
            waiting.insert(index, result);
            while let (Some(result), Some(item)) = (waiting.remove(&turn), items.get(turn)) {
                take(item, result);
                turn += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..200).collect();
        let mut taken = Vec::new();
        // The first ones end last.
        let work = |n: &u64| {
            (0..(200 - n) * 500).fold(*n, |a, b| std::hint::black_box(a ^ b ^ b));
            n * 2
        };
        in_order(&items, work, |item, result| taken.push((*item, result)));
        assert_eq!(taken, items.iter().map(|n| (*n, n * 2)).collect::<Vec<_>>());
        in_order(&[], |n: &u64| *n, |_, _| panic!("there is nothing to take"));
    }
}
