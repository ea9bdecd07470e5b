// A timer does not block the script
console.log('Start');
setTimeout(() => console.log('Async Code'), 2000);
console.log('End.. or is it!');
