/** What is wrong with a snapshot, as the end of a sentence about the file: `it is cut off`. */
export class DamagedSnapshot extends Error {
  override name = 'DamagedSnapshot';
}
