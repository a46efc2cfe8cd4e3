//! The innermost loop of matrix products: a tile of sums that stays in registers.
//!
//! Rows and vectors are spelled out and all slices have the length that the loop counts to, so that the loop is good
//! code also where the compiler makes small code.

/// Sums of rows of activations, `$stride` words apart, times a panel of vectors of channels, from `$start` on. Rows and
/// vectors have a name and a number each.
macro_rules! tile {
    (
        $products:expr, $activations:expr, $stride:expr, $panel:expr, $start:expr, $vectors:tt,
        [$($row:ident: $index:literal),*]
    ) => {{
        let (products, activations, panel, start) = ($products, $activations, $panel, $start);
        let depth = panel.len();
        $(let $row = activations.get($index * $stride..)?.get(..depth)?;)*
        let mut sums = [$(tile!(start $index, start)),*];
        let mut step = 0;
        while step < depth {
            let vectors = tile!(weights products, panel.get(step)?, $vectors);
            $({
                let group = products.splat(*$row.get(step)?);
                tile!(add products, sums[$index], group, vectors, $vectors);
            })*
            step += 1;
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
