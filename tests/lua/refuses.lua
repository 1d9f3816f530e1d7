-- refuses(pattern, f, ...): f(...) must fail with a message that holds the plain text `pattern`,
-- a single sentence without a line break.
return function(pattern, f, ...)
    local ok, message = pcall(f, ...)
    if ok then
        error("was not refused; expected: " .. pattern, 2)
    end
    message = tostring(message)
    if not message:find(pattern, 1, true) then
        error("refused with\n    " .. message .. "\nnot with\n    " .. pattern, 2)
    end
    if message:find("\n", 1, true) then
        error("not one sentence: " .. message, 2)
    end
end
