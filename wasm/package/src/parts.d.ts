/** What `cargo xtask web --for` leaves out of a package whose model does not prepare its inputs: known when it is bundled. */

/** Whether inputs are made from images. */
declare const IMAGES: boolean;
/** Whether inputs are made from named fields. */
declare const FIELDS: boolean;
