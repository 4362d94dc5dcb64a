/** A seal with a tick. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="8" fill="#0b6e6e"/>
<path d="M16 6.2l7.6 2.9v6.1c0 4.9-3.2 8.6-7.6 10.6-4.4-2-7.6-5.7-7.6-10.6V9.1z" fill="none" stroke="#fff" stroke-width="2" stroke-linejoin="round"/>
<path d="M12.3 15.6l2.7 2.8 4.9-5.2" fill="none" stroke="#fff" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>
</svg>
`;
