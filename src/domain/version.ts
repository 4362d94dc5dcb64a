/** The version of this product; package.json says the same (a test compares them). */
export const version = '0.1.0';
