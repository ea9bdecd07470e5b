// R29: the list of the timer that was cleared is gone, so the next timer of that duration makes one with
// a new number and a new expiry. As in 261, the program starts again if it missed the millisecond that
// it needs.
const say = (s) => () => console.log(s);
let start = performance.now();
function main() {
  clearTimeout(setTimeout(say('X'), 299));
  const a = setTimeout(say('A'), 300);
  let b;
  do {
    clearTimeout(b);
    b = setTimeout(say('B'), 299);
  } while (b._idleStart < a._idleStart + 1);
  if (b._idleStart > a._idleStart + 1) {
    for (const timer of [a, b]) clearTimeout(timer);
    start = performance.now();
    return main();
  }
  while (performance.now() < start + 400);
}
main();
