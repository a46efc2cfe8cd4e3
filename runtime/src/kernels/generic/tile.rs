//! The innermost loop of matrix products: a tile of sums that stays in registers.
//!
//! Rows and vectors are spelled out and all slices have the length that the loop counts to, so that the loop is good
//! code also where the compiler makes small code.

/// Sums of windows of activations times a panel of vectors of channels, from `$start` on. A window begins at one of `$places` and
/// consists of `$runs`: the words of each, and how many bytes it is to the next. Windows and vectors have a name and a number each.
macro_rules! tile {
    (
        $products:expr, $activations:expr, $places:expr, $runs:expr, $panel:expr, $start:expr, $vectors:tt,
        [$($row:ident: $index:literal),*]
    ) => {{
        let (products, activations, places, [length, apart], start) =
            ($products, $activations, $places, $runs, $start);
        let mut sums = [$(tile!(start $index, start)),*];
        let (mut from, mut rest) = (0, $panel);
        while !rest.is_empty() {
            let panel;
            (panel, rest) = rest.split_at_checked(length.max(1))?;
            $(let $row = activations.get(places[$index] + from..)?.as_chunks::<4>().0.get(..length)?;)*
            let mut step = 0;
            while step < length {
                let vectors = tile!(weights products, panel.get(step)?, $vectors);
                $({
                    let group = products.splat(u32::from_ne_bytes(*$row.get(step)?));
                    tile!(add products, sums[$index], group, vectors, $vectors);
                })*
                step += 1;
            }
            from += apart;
        }
        sums
    }};
    (start $index:literal, $start:ident) => { $start };
    (weights $products:ident, $from:expr, [$($vector:ident: $at:literal),*]) => {{
        let weights = $from;
        [$($products.load(&weights[$at])),*]
    }};
    (add $products:ident, $sums:expr, $group:ident, $vectors:ident, [$($vector:ident: $at:literal),*]) => {
        $($sums[$at] = $products.multiply_add($sums[$at], $group, $vectors[$at]);)*
    };
}

pub(super) use tile;
