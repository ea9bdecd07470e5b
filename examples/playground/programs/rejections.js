// Unhandled rejections: what is reported, and when
process.on('unhandledRejection', (reason) => console.log(`unhandled: ${reason.message}`));
process.on('rejectionHandled', () => console.log('handled after all'));

Promise.reject(new Error('handled in the same drain')).catch((error) => console.log(`caught: ${error.message}`));

const late = Promise.reject(new Error('handled too late'));
setTimeout(() => late.catch(() => console.log('caught in a timer')), 10);

(async () => {
  throw new Error('of an async function');
})();
console.log('the script ends');
