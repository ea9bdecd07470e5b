// R21: of two lists with the same expiry the one that was made first comes first, whatever has been
// cleared meanwhile. As in 261, the program starts again if it missed the millisecond that it needs.
const say = (s) => () => console.log(s);
let start = performance.now();
function main() {
  const x = setTimeout(say('X'), 50);
  const a = setTimeout(say('A'), 300);
  clearTimeout(x);
  let b;
  do {
    clearTimeout(b);
    b = setTimeout(say('B'), 200);
  } while (b._idleStart < a._idleStart + 100);
  if (b._idleStart > a._idleStart + 100) {
    for (const timer of [a, b]) clearTimeout(timer);
    start = performance.now();
    return main();
  }
  while (performance.now() < start + 500);
}
main();
