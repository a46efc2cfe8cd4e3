//! Work on rows, spread over the machine's cores.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Folds rows `0..rows` into one value: each thread folds a run of neighbouring rows into a fresh `start()`, and the
/// parts are merged in the order of the rows. Where the fold is associative the result does not depend on the number
/// of threads.
///
/// # Errors
/// The error of the lowest row that failed.
pub fn fold_rows<T: Send, E: Send>(
    rows: usize,
    start: impl Fn() -> T + Sync,
    fold: impl Fn(&mut T, usize) -> Result<(), E> + Sync,
    merge: impl Fn(&mut T, T),
) -> Result<T, E> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(rows.max(1));
    let failed = AtomicBool::new(false);
    let run = |part: usize| {
        let mut value = start();
        for row in rows * part / threads..rows * (part + 1) / threads {
            // A failure in a later part must not hide one in an earlier part, so only the first part stops all.
            if part > 0 && failed.load(Ordering::Relaxed) {
                break;
            }
            if let Err(error) = fold(&mut value, row) {
                if part == 0 {
                    failed.store(true, Ordering::Relaxed);
                }
                return Err(error);
            }
        }
        Ok(value)
    };
    let parts: Vec<Result<T, E>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|part| {
                scope.spawn({
                    let run = &run;
                    move || run(part)
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut total = start();
    for part in parts {
        merge(&mut total, part?);
    }
    Ok(total)
}

/// Computes one value per row, in order.
///
/// # Errors
/// The error of the lowest row that failed.
pub fn map_rows<T: Send, E: Send>(rows: usize, compute: impl Fn(usize) -> Result<T, E> + Sync) -> Result<Vec<T>, E> {
    fold_rows(
        rows,
        Vec::new,
        |values, row| {
            values.push(compute(row)?);
            Ok(())
        },
        |all, part| all.extend(part),
    )
}

/// Computes the values of whole runs of neighbouring rows, one run per thread, and joins them in order.
///
/// # Errors
/// The error of the lowest run that failed.
pub fn map_parts<T: Send, E: Send>(
    rows: usize,
    compute: impl Fn(Range<usize>) -> Result<Vec<T>, E> + Sync,
) -> Result<Vec<T>, E> {
    let parts = std::thread::available_parallelism().map_or(1, NonZero::get).min(rows.max(1));
    let runs = map_rows(parts, |part| compute(rows * part / parts..rows * (part + 1) / parts))?;
    Ok(runs.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_order_and_the_first_error_wins() {
        assert_eq!(map_rows(1000, Ok::<_, ()>).unwrap(), (0..1000).collect::<Vec<_>>());
        assert_eq!(map_rows(0, Ok::<_, ()>).unwrap(), Vec::<usize>::new());
        assert_eq!(map_parts(1000, |rows| Ok::<_, ()>(rows.collect())).unwrap(), (0..1000).collect::<Vec<_>>());
        let error = map_rows(1000, |row| if row % 100 == 99 { Err(row) } else { Ok(row) }).unwrap_err();
        assert_eq!(error, 99);
    }
}
